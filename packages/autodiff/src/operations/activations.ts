/** Activations, element by element. */
import { checkType } from "../shapes.ts";
import { apply, type Operation, type Tensor } from "../tensor.ts";
import { add, exp, mul, neg, square, sub, unary } from "./elementwise.ts";
import { cast, greater } from "./select.ts";

/** 1 / (1 + e^-x) */
export const sigmoid: (x: Tensor) => Tensor = unary("sigmoid", "Sigmoid", (_, dy, y) =>
  mul(mul(dy, y), sub(1, y)),
);
/** The hyperbolic tangent. */
export const tanh: (x: Tensor) => Tensor = unary("tanh", "Tanh", (_, dy, y) =>
  mul(dy, sub(1, square(y))),
);
/** max(x, 0), with gradient 0 at 0. */
export const relu: (x: Tensor) => Tensor = unary("relu", "Relu", (x, dy) =>
  mul(dy, cast(greater(x, 0), "float32")),
);
/** ln(1 + e^x), without overflow. */
export const softplus: (x: Tensor) => Tensor = unary("softplus", "Softplus", (x, dy) =>
  mul(dy, sigmoid(x)),
);
/** x * Phi(x) with the exact normal law Phi, as torch.nn.functional.gelu. */
export const gelu: (x: Tensor) => Tensor = unary("gelu", "com.microsoft:Gelu", (x, dy) => {
  const z = mul(x, Math.SQRT1_2);
  // The factor 1 / sqrt(pi) is in the exponent, where it costs no pass of its own.
  const density = mul(z, exp(sub(-Math.log(Math.PI) / 2, square(z))));
  return mul(dy, add(apply(normalLawOperation, [z], null), density));
});

/** (1 + erf z) / 2. The erf is in [-1, 1], so that HardSigmoid, min(max(erf / 2 + 1 / 2, 0), 1), is the rest in one node. */
const normalLawOperation: Operation<null> = {
  name: "normalLaw",
  infer: ([z]) => [z],
  vjp: ({ inputs: [z] }, [dy]) => [mul(dy as Tensor, exp(sub(-Math.log(Math.PI) / 2, square(z))))],
  lower: (lowering, inputs) => [
    lowering.node("HardSigmoid", [lowering.node("Erf", inputs)], {
      alpha: { float: 0.5 },
      beta: { float: 0.5 },
    }),
  ],
};

/** GELU with the tanh approximation, 0.5 x (1 + tanh(0.7978845608 (x + 0.044715 x^3))), as GPT-2 and Gemma have it. */
export const geluTanh: (x: Tensor) => Tensor = unary(
  "geluTanh",
  "com.microsoft:FastGelu",
  (x, dy) => {
    const root = Math.sqrt(2 / Math.PI);
    const squared = square(x);
    const inner = mul(mul(x, add(mul(squared, 0.044715), 1)), root);
    const slope = mul(x, add(mul(squared, 3 * 0.044715 * root), root));
    const t = tanh(inner);
    return mul(mul(dy, 0.5), add(add(t, 1), mul(slope, sub(1, square(t)))));
  },
);

const siluOperation: Operation<null> = {
  name: "silu",
  infer: ([x]) => [x],
  vjp({ inputs: [x], outputs: [y] }, [dy]) {
    const s = sigmoid(x);
    return [mul(dy as Tensor, add(s, mul(y, sub(1, s))))];
  },
  lower: (lowering, inputs) => [
    lowering.node("com.microsoft:QuickGelu", inputs, { alpha: { float: 1 } }),
  ],
};

/** x * sigmoid(x), also known as swish. */
export function silu(x: Tensor): Tensor {
  checkType("silu", x, "float32");
  return apply(siluOperation, [x], null);
}

/** ln sigmoid(x), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)));
}
