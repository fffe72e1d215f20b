import * as ad from "@veridraft/autodiff";
import { isProbsError } from "@veridraft/core-probs";
import { describe, expect, it } from "vitest";

const float = (...shape: ad.Dim[]): ad.Tensor => ad.input("float32", shape);
const int = (...shape: ad.Dim[]): ad.Tensor => ad.input("int32", shape);

const errors: readonly (readonly [() => unknown, string])[] = [
  [
    () => ad.add(float(2, 3), float(2)),
    "add: shapes [2, 3] and [2] do not broadcast, axis -1 is 3 and 2; sizes must be equal or 1",
  ],
  [
    () => ad.mul(float("batch", 3), float(8, 3)),
    "mul: shapes [batch, 3] and [8, 3] do not broadcast, axis -2 is batch and 8; sizes must be equal or 1",
  ],
  [() => ad.add(1, 2), "add: one operand must be a tensor, got the numbers 1 and 2"],
  [
    () => ad.add(float(2), int(2)),
    "add: operands must have one type, got float32 and int32; use cast",
  ],
  [() => ad.exp(int(2)), "exp: elements must be float32, got int32; use cast"],
  [() => ad.where(float(2), 1, 0), "where: elements must be bool, got float32; use cast"],
  [() => ad.clip(float(2), 1, 0), "clip: low must be <= high, got 1 and 0"],
  [() => ad.sum(float(2, 3), 2), "sum: axis must be an integer in [-2, 2) for shape [2, 3], got 2"],
  [() => ad.sum(float(2, 3), [1, -1]), "sum: axes must differ, got [1, 1]"],
  [
    () => ad.reshape(float(2, 3), [4]),
    "reshape: shape [2, 3] cannot become [4]; the numbers of elements must be equal, and at most one size -1",
  ],
  [
    () => ad.reshape(float(2, 3), [-1, -1]),
    "reshape: shape [2, 3] cannot become [-1, -1]; the numbers of elements must be equal, and at most one size -1",
  ],
  [
    () => ad.transpose(float(2, 3), [0]),
    "transpose: the order must name each of the 2 axes of [2, 3] once, got [0]",
  ],
  [
    () => ad.broadcastTo(float(2), [3]),
    "broadcastTo: shapes [2] and [3] do not broadcast, axis -1 is 2 and 3; sizes must be equal or 1",
  ],
  [
    () => ad.broadcastTo(float(2), [1]),
    "broadcastTo: shape [2] cannot become [1]; only axes of size 1 repeat",
  ],
  [
    () => ad.matmul(float(2, 3), float(2, 4), { transposeB: true }),
    "matmul: shapes [2, 3] and [2, 4] (transposed) do not multiply; the columns of the first must be the rows of the second",
  ],
  [
    () => ad.matmul(float(3), float(3, 2)),
    "matmul: shapes [3] and [3, 2] do not multiply; the columns of the first must be the rows of the second",
  ],
  [() => ad.slice(float(4), 0, 1, 6), "slice: [1, 6) must lie within axis 0 of [4]"],
  [
    () => ad.slice(float("seq"), 0, 0, 2),
    "slice: axis 0 of [seq] has no known size; give a start >= 0 and no end, got 0 and 2",
  ],
  [() => ad.pad(float(4), 0, -1, 0), "pad: counts must be >= 0, got -1 and 0; use slice"],
  [
    () => ad.concat([float(2, 3), float(2, 4)], 0),
    "concat: shapes [2, 3] and [2, 4] must be equal but for axis 0",
  ],
  [() => ad.split(float(5), [2, 2], 0), "split: sizes [2, 2] must add up to axis 0 of [5]"],
  [
    () => ad.gather(float(4, 2), float(3)),
    "gather: elements must be int32 or int64, got float32; use cast",
  ],
  [
    () => ad.scatterAdd(float(3, 2), int(4), 5),
    "scatterAdd: updates [3, 2] must begin with the axes of ids [4]",
  ],
  [
    () => ad.gatherAlong(float(3, 2), int(4, 1)),
    "gatherAlong: shapes [3, 2] and [4, 1] must be equal but for axis 1",
  ],
  [() => ad.topK(float(3), 4), "topK: k must be in [1, 3] for shape [3], got 4"],
  [
    () => ad.layerNorm(float(2, 4), float(3)),
    "layerNorm: weight and bias must have the width of x [2, 4], got [3]",
  ],
  [
    () => ad.tokenLogProbs(float(2, 3, 7), int(2)),
    "tokenLogProbs: logits [2, 3, 7] must have the axes of ids [2] and the vocabulary",
  ],
  [
    () => ad.crossEntropy(float(2, 7), int(2), { mask: float(3) }),
    "crossEntropy: mask [3] must have the shape of ids [2]",
  ],
  [
    () => ad.conv2d(float(1, 3, 8, 8), float(4, 2, 3, 3)),
    "conv2d: x [1, 3, 8, 8] and weight [4, 2, 3, 3] do not fit: channels must be equal, and the padded image no smaller than the kernel",
  ],
  [
    () => ad.conv2d(float(3, 8, 8), float(4, 3, 3, 3)),
    "conv2d: x must have 4 axes, got shape [3, 8, 8] of 3",
  ],
  [
    () => ad.conv2d(float(1, 3, "height", 8), float(4, 3, 3, 3)),
    "conv2d: height and width must be known sizes, got [1, 3, height, 8]",
  ],
  [
    () => ad.conv2d(float(1, 3, 8, 8), float(4, 3, 3, 3), { stride: 0 }),
    "conv2d: stride and dilation must be integers >= 1 and padding >= 0, got 0,0",
  ],
  [
    () => ad.rotary(float(1, 2, 5, 8), float(5, 8), float(5, 8)),
    "rotary: cos and sin must be [sequence, width / 2] or [batch, sequence, width / 2] for x [1, 2, 5, 8], got [5, 8] and [5, 8]",
  ],
  [
    () => ad.attention(float(1, 3, 5, 8), float(1, 2, 5, 8), float(1, 2, 5, 8)),
    "attention: q [1, 3, 5, 8], k [1, 2, 5, 8] and v [1, 2, 5, 8] do not fit: batch, width and keys must be equal, and the heads of q a multiple of those of k",
  ],
  [
    () => ad.straightThrough(float(2), float(3)),
    "straightThrough: x [2] and value [3] must have one shape",
  ],
  [
    () => ad.checkpoint((x: ad.Tensor) => ad.mul(x, float(7)))(float(7)),
    "checkpoint: the function depends on a tensor [7] that is not among its arguments; pass it as one",
  ],
];

describe("an operation that does not fit says which, what and why", () => {
  it.each(errors)("%#", (call, message) => {
    expect(call).toThrow(message);
    expect(call).toThrow(expect.toSatisfy(isProbsError));
  });
});

describe("sizes that are names", () => {
  const x = float("batch", "seq", 8);

  it.each([
    [ad.reshape(x, [-1, 8]), ["batch*seq", 8]],
    [ad.reshape(ad.reshape(x, [-1, 8]), ["batch", -1, 4]), ["batch", "2*seq", 4]],
    [ad.concat([x, x], 1), ["batch", "seq+seq", 8]],
    [ad.slice(x, 1, 2), ["batch", "seq-2", 8]],
    [ad.mean(x, 1), ["batch", 8]],
    [ad.matmul(x, x, { transposeB: true }), ["batch", "seq", "seq"]],
    [ad.gather(float(9, 4), int("batch")), ["batch", 4]],
    [ad.conv2d(float("batch", 1, 5, 5), float(2, 1, 3, 3)), ["batch", 2, 3, 3]],
  ])("%#", ({ shape }, expected) => {
    expect(shape).toEqual(expected);
  });
});
