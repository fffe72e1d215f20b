/** Rotary positions and scaled dot-product attention. */
import { ShapeError } from "@veridraft/core-probs";
import { checkRank, checkType, productOf, quotientOf, sameShape } from "../shapes.ts";
import { apply, type Dim, type Operation, type Shape, showShape, type Tensor } from "../tensor.ts";
import { add, mul, neg } from "./elementwise.ts";
import { iota } from "./indexing.ts";
import { matmul } from "./matmul.ts";
import { softmax } from "./normalize.ts";
import { lessEqual, where } from "./select.ts";
import { expandDims, reshape } from "./shape.ts";

const rotaryOperation: Operation<null> = {
  name: "rotary",
  infer: ([x]) => [x],
  vjp: ({ inputs: [, cos, sin] }, [dy]) => [rotary(dy as Tensor, cos, neg(sin)), null, null],
  lower(lowering, [x, cos, sin], { inputs }) {
    const [batch, , sequence, width] = inputs[0].shape;
    const perRow = inputs[1].shape.length === 3;
    const half = (productOf([width]) as number) / 2;
    const table = (name: string): string =>
      perRow ? lowering.node("Reshape", [name, lowering.integers(-1, half)]) : name;
    const count = lowering.node("Squeeze", [lowering.size(sequence)]);
    const zero = lowering.constant(BigInt64Array.of(0n), []);
    const one = lowering.constant(BigInt64Array.of(1n), []);
    const total = perRow
      ? lowering.node("Mul", [count, lowering.node("Squeeze", [lowering.size(batch)])])
      : count;
    const range = lowering.node("Range", [zero, total, one]);
    const rows = perRow
      ? lowering.node("Reshape", [range, lowering.shape([batch, sequence])])
      : lowering.node("Expand", [range, lowering.shape([batch, sequence])]);
    return [lowering.node("com.microsoft:RotaryEmbedding", [x, rows, table(cos), table(sin)])];
  },
};

/**
 * Rotates pairs of elements (i, i + width / 2) by the angle of their position, as Llama does. The angles have no gradient.
 *
 * @param x [batch, heads, sequence, width]
 * @param cos of the angles, [sequence, width / 2] or [batch, sequence, width / 2] @param sin alike
 * @throws ShapeError where they do not fit.
 */
export function rotary(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  checkRank("rotary", "x", x, 4);
  const [batch, , sequence, width] = x.shape;
  const wanted: Shape = [sequence, quotientOf([width], [2]) ?? 0];
  const fits = [wanted, [batch, ...wanted]].some((shape) => sameShape(shape, cos.shape));
  if (!fits || !sameShape(cos.shape, sin.shape) || typeof width !== "number") {
    throw new ShapeError(
      `rotary: cos and sin must be [sequence, width / 2] or [batch, sequence, width / 2] for x ${showShape(x.shape)}, got ${showShape(cos.shape)} and ${showShape(sin.shape)}`,
    );
  }
  return apply(rotaryOperation, [x, cos, sin], null);
}

/** What attention sees. */
export interface AttentionOptions {
  /** Added to the scores, broadcast to [batch, heads, queries, keys]; -Infinity hides a key. A row in which all are hidden is NaN. */
  readonly bias?: Tensor;
  /** A query sees the keys up to its own place, the last query the last key. */
  readonly causal?: boolean;
  /** Factor of the scores; by default 1 / sqrt(width). */
  readonly scale?: number;
}

/**
 * softmax(scale q k^T + bias) v. Several heads of queries can share one of keys and values.
 *
 * @param q [batch, heads, queries, width] @param k [batch, kv heads, keys, width] @param v [batch, kv heads, keys, any width]
 * @returns [batch, heads, queries, width of v]
 * @throws ShapeError where they do not fit.
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { bias, causal = false, scale }: AttentionOptions = {},
): Tensor {
  for (const [what, each] of Object.entries({ q, k, v })) {
    checkType("attention", each, "float32");
    checkRank("attention", what, each, 4);
  }
  const [batch, heads, queries, width] = q.shape;
  const [, kvHeads, keys] = k.shape;
  const group = quotientOf([heads], [kvHeads]);
  const fits =
    group !== null &&
    sameShape(k.shape, [batch, kvHeads, keys, width]) &&
    sameShape(v.shape.slice(0, 3), k.shape.slice(0, 3)) &&
    typeof width === "number";
  if (!fits) {
    throw new ShapeError(
      `attention: q ${showShape(q.shape)}, k ${showShape(k.shape)} and v ${showShape(v.shape)} do not fit: batch, width and keys must be equal, and the heads of q a multiple of those of k`,
    );
  }
  // The queries of the heads that share keys are rows of one product.
  const rows = reshape(mul(q, scale ?? 1 / Math.sqrt(width)), [
    batch,
    kvHeads,
    productOf([group, queries]),
    width,
  ]);
  let scores = reshape(matmul(rows, k, { transposeB: true }), [batch, heads, queries, keys]);
  if (causal) scores = add(scores, causalBias(queries, keys));
  if (bias) scores = add(scores, bias);
  const weights = reshape(softmax(scores), [batch, kvHeads, productOf([group, queries]), keys]);
  return reshape(matmul(weights, v), [batch, heads, queries, v.shape[3]]);
}

/** 0 where a query sees a key, else -Infinity. [queries, keys] */
function causalBias(queries: Dim, keys: Dim): Tensor {
  if (queries !== keys && [queries, keys].some((size) => typeof size === "string")) {
    throw new ShapeError(
      `attention: causal needs sizes that are known or equal, got ${queries} queries and ${keys} keys; use bias`,
    );
  }
  const before = queries === keys ? 0 : (keys as number) - (queries as number);
  const last = expandDims(before === 0 ? iota(queries) : add(iota(queries), before), 1);
  return where(lessEqual(iota(keys), last), 0, -Infinity);
}
