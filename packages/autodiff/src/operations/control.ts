/** What the backward pass does differently: gradients that stop, that go around, and values that are computed again. */
import { ShapeError } from "@veridraft/core-probs";
import { sameShape } from "../shapes.ts";
import { apply, noGradients, type Operation, showShape, type Tensor } from "../tensor.ts";

const stopOperation: Operation<null> = {
  name: "stopGradient",
  infer: ([x]) => [x],
  vjp: noGradients,
  lower: (_, inputs) => inputs,
};

/** x, without its gradient. */
export function stopGradient(x: Tensor): Tensor {
  return apply(stopOperation, [x], null);
}

const straightOperation: Operation<null> = {
  name: "straightThrough",
  infer: ([x]) => [x],
  vjp: (_, [dy]) => [dy, null],
  lower: (_, [, value]) => [value],
};

/** `value`, a quantized x, with a gradient that goes to x as if they were the same. @throws ShapeError where their shapes differ. */
export function straightThrough(x: Tensor, value: Tensor): Tensor {
  if (!sameShape(x.shape, value.shape)) {
    throw new ShapeError(
      `straightThrough: x ${showShape(x.shape)} and value ${showShape(value.shape)} must have one shape`,
    );
  }
  return apply(straightOperation, [x, value], null);
}
