import * as ad from "@veridraft/autodiff";
import { type Tensor } from "@veridraft/autodiff";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gradientErrors, spreadValues } from "./gradients.ts";

type Shapes = readonly (readonly number[])[];

interface Case {
  readonly f: (...xs: Tensor[]) => Tensor;
  /** Random shapes of the arguments. */
  readonly shapes: fc.Arbitrary<Shapes>;
  readonly positive?: boolean;
}

const size = fc.integer({ min: 1, max: 4 });
const shape = (minLength: number, maxLength = 3): fc.Arbitrary<number[]> =>
  fc.array(size, { minLength, maxLength });
const one = shape(1).map((x) => [x]);
const pair = fc
  .tuple(shape(1), fc.integer({ min: 0, max: 3 }), fc.nat(7), fc.boolean())
  .map(([a, dropped, ones, swapped]) => {
    // The second operand lacks axes, or has them with size 1.
    const b = a.slice(Math.min(dropped, a.length)).map((n, i) => ((ones >> i) & 1 ? 1 : n));
    return swapped ? [b, a] : [a, b];
  });
const rows = fc.tuple(size, fc.integer({ min: 2, max: 5 })).map(([n, width]) => [n, width]);
const ids = (...values: number[]): Tensor => ad.constant(Int32Array.from(values));

const unary = {
  abs: ad.abs,
  cos: ad.cos,
  erf: ad.erf,
  exp: ad.exp,
  gelu: ad.gelu,
  geluTanh: ad.geluTanh,
  logSigmoid: ad.logSigmoid,
  neg: ad.neg,
  relu: ad.relu,
  sigmoid: ad.sigmoid,
  silu: ad.silu,
  sin: ad.sin,
  softplus: ad.softplus,
  square: ad.square,
  tanh: ad.tanh,
};
const binary = { add: ad.add, maximum: ad.maximum, minimum: ad.minimum, mul: ad.mul, sub: ad.sub };
const reductions = {
  logSumExp: ad.logSumExp,
  max: ad.max,
  mean: ad.mean,
  min: ad.min,
  sum: ad.sum,
};

const matmulShapes = (a: boolean, b: boolean): fc.Arbitrary<Shapes> =>
  fc
    .tuple(size, size, size, fc.constantFrom([[], []], [[2], [2]], [[2], []], [[3, 1], [2]]))
    .map(([m, k, n, [before, other]]) => [
      [...before, ...(a ? [k, m] : [m, k])],
      [...other, ...(b ? [n, k] : [k, n])],
    ]);
const image = fc
  .tuple(
    fc.integer({ min: 1, max: 2 }),
    size,
    size,
    fc.integer({ min: 3, max: 5 }),
    fc.integer({ min: 1, max: 3 }),
  )
  .map(([batch, channels, out, area, kernel]) => ({ batch, channels, out, area, kernel }));

const cases: Record<string, Case> = {
  ...Object.fromEntries(Object.entries(unary).map(([name, f]) => [name, { f, shapes: one }])),
  ...Object.fromEntries(Object.entries(binary).map(([name, f]) => [name, { f, shapes: pair }])),
  ...Object.fromEntries(
    Object.entries(reductions).map(([name, f]) => [name, { f: (x: Tensor) => f(x), shapes: one }]),
  ),
  ...Object.fromEntries(
    Object.entries(reductions).map(([name, f]) => [
      `${name} of the last axis`,
      { f: (x: Tensor) => f(x, -1), shapes: one },
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(reductions).map(([name, f]) => [
      `${name} of the first axis, kept`,
      { f: (x: Tensor) => f(x, 0, { keepDims: true }), shapes: one },
    ]),
  ),
  div: { f: ad.div, shapes: pair, positive: true },
  log: { f: ad.log, shapes: one, positive: true },
  sqrt: { f: ad.sqrt, shapes: one, positive: true },
  "pow 3": { f: (x) => ad.pow(x, 3), shapes: one },
  "pow -0.5": { f: (x) => ad.pow(x, -0.5), shapes: one, positive: true },
  clip: { f: (x) => ad.clip(x, -0.24, 0.4), shapes: one },
  where: { f: (a, b) => ad.where(ad.greater(a, 0), a, b), shapes: pair },
  "cumsum exclusive": { f: (x) => ad.cumsum(x, 0, { exclusive: true }), shapes: one },
  "cumsum reverse": { f: (x) => ad.cumsum(x, -1, { reverse: true }), shapes: one },
  reshape: { f: (x) => ad.reshape(x, [-1]), shapes: one },
  transpose: { f: (x) => ad.transpose(x), shapes: shape(2, 4).map((x) => [x]) },
  "transpose of all axes": {
    f: (x) => ad.transpose(x, [...x.shape.keys()].toReversed()),
    shapes: one,
  },
  broadcastTo: { f: (x) => ad.broadcastTo(x, [2, ...x.shape]), shapes: one },
  sumTo: { f: (x) => ad.sumTo(x, x.shape.slice(1)), shapes: one },
  "expandDims, squeeze": { f: (x) => ad.squeeze(ad.mul(ad.expandDims(x, 1), 2), 1), shapes: one },
  matmul: { f: (a, b) => ad.matmul(a, b), shapes: matmulShapes(false, false) },
  "matmul A^T B": {
    f: (a, b) => ad.matmul(a, b, { transposeA: true }),
    shapes: matmulShapes(true, false),
  },
  "matmul A B^T": {
    f: (a, b) => ad.matmul(a, b, { transposeB: true }),
    shapes: matmulShapes(false, true),
  },
  "matmul A^T B^T": {
    f: (a, b) => ad.matmul(a, b, { transposeA: true, transposeB: true }),
    shapes: matmulShapes(true, true),
  },
  slice: { f: (x) => ad.slice(x, -1, 1), shapes: one },
  "slice in the middle": {
    f: (x) => ad.slice(x, 0, 1, -1),
    shapes: rows.map(([n, width]) => [[width, n]]),
  },
  pad: { f: (x) => ad.pad(x, 0, 2, 1, 5), shapes: one },
  concat: {
    f: (a, b) => ad.concat([a, b], 0),
    shapes: rows.map(([n, width]) => [
      [n, width],
      [2, width],
    ]),
  },
  split: { f: (x) => ad.split(x, [1, Number(x.shape[1]) - 1], 1)[1], shapes: rows.map((x) => [x]) },
  gather: { f: (x) => ad.gather(x, ids(0, 1, 0)), shapes: rows.map(([n, width]) => [[width, n]]) },
  "gather along the last axis": {
    f: (x) => ad.gather(x, ad.constant(Int32Array.of(1, 0, 1, 1), [2, 2]), 1),
    shapes: rows.map(([n, width]) => [[n, width, 2]]),
  },
  scatterAdd: { f: (x) => ad.scatterAdd(x, ids(2, 0, 2), 4), shapes: size.map((n) => [[3, n]]) },
  gatherAlong: {
    f: (x) => ad.gatherAlong(x, ad.constant(Int32Array.of(1, 1), [1, 2])),
    shapes: size.map((n) => [[1, n + 1]]),
  },
  addAlong: {
    f: (x, y) => ad.addAlong(x, y, ad.constant(Int32Array.of(1, 1), [1, 2])),
    shapes: size.map((n) => [
      [1, n + 1],
      [1, 2],
    ]),
  },
  "topK values": { f: (x) => ad.topK(x, 2).values, shapes: rows.map((x) => [x]) },
  softmax: { f: (x) => ad.softmax(x), shapes: one },
  "softmax of the first axis": { f: (x) => ad.softmax(x, 0), shapes: one },
  logSoftmax: { f: (x) => ad.logSoftmax(x), shapes: one },
  layerNorm: {
    f: (x, w, b) => ad.layerNorm(x, w, b),
    shapes: rows.map(([n, width]) => [[n, width + 1], [width + 1], [width + 1]]),
  },
  "layerNorm without bias": {
    f: (x, w) => ad.layerNorm(x, w, undefined, { epsilon: 0.1 }),
    shapes: rows.map(([n, width]) => [[2, n, width + 1], [width + 1]]),
  },
  rmsNorm: {
    f: (x, w) => ad.rmsNorm(x, w),
    shapes: rows.map(([n, width]) => [[n, width], [width]]),
  },
  tokenLogProbs: {
    f: (x) => ad.tokenLogProbs(x, ids(1, 0)),
    shapes: rows.map(([, width]) => [[2, width]]),
  },
  crossEntropy: {
    f: (x) => ad.crossEntropy(x, ids(1, 0, 1)),
    shapes: rows.map(([, width]) => [[3, width]]),
  },
  "crossEntropy with a mask": {
    f: (x, mask) => ad.crossEntropy(x, ids(1, 0, 1), { mask }),
    shapes: rows.map(([, width]) => [[3, width], [3]]),
    positive: true,
  },
  conv2d: {
    f: (x, w) => ad.conv2d(x, w, { padding: 1 }),
    shapes: image.map(({ batch, channels, out, area, kernel }) => [
      [batch, channels, area, area + 1],
      [out, channels, kernel, kernel],
    ]),
  },
  "conv2d with stride and dilation": {
    f: (x, w) => ad.conv2d(x, w, { stride: 2, dilation: [1, 2], padding: [0, 2] }),
    shapes: image.map(({ batch, channels, area, kernel }) => [
      [batch, channels, area, area + 1],
      [2, channels, kernel, kernel],
    ]),
  },
  convTranspose2d: {
    f: (x, w) => ad.convTranspose2d(x, w, { stride: 2 }),
    shapes: image.map(({ batch, channels, out, kernel }) => [
      [batch, channels, 2, 3],
      [channels, out, kernel, kernel],
    ]),
  },
  "convTranspose2d with padding": {
    f: (x, w) => ad.convTranspose2d(x, w, { stride: [1, 2], dilation: 2, padding: 1 }),
    shapes: image.map(({ batch, channels, out }) =>
      [
        [batch, channels, 3, 2],
        [out, channels, 2, 3],
      ].with(1, [channels, out, 2, 3]),
    ),
  },
  rotary: {
    f: (x) =>
      ad.rotary(
        x,
        ad.constant(Float32Array.of(1, 0.6, 0, 0.8), [2, 2]),
        ad.constant(Float32Array.of(0, 0.8, 1, 0.6), [2, 2]),
      ),
    shapes: size.map((n) => [[n, 2, 2, 4]]),
  },
  "rotary by row": {
    f: (x) =>
      ad.rotary(
        x,
        ad.constant(Float32Array.of(1, 0.6, 0, 0.8), [2, 2, 1]),
        ad.constant(Float32Array.of(0, 0.8, 1, 0.6), [2, 2, 1]),
      ),
    shapes: size.map((n) => [[2, n, 2, 2]]),
  },
  attention: {
    f: (q, k, v) => ad.attention(q, k, v, { scale: 0.5 }),
    shapes: fc.tuple(size, size, size).map(([n, t, d]) => [
      [1, 2, n, d],
      [1, 2, t, d],
      [1, 2, t, 3],
    ]),
  },
  "attention, causal, with shared keys and bias": {
    f: (q, k, v, bias) => ad.attention(q, k, v, { causal: true, bias }),
    shapes: fc.tuple(size, size, size).map(([n, more, d]) => [
      [2, 4, n, d],
      [2, 2, n + more, d],
      [2, 2, n + more, 2],
      [4, n, n + more],
    ]),
  },
  checkpoint: {
    f: (x, w) =>
      ad.checkpoint((a: Tensor, b: Tensor) => ad.tanh(ad.matmul(ad.tanh(a), b)))(ad.sin(x), w),
    shapes: matmulShapes(false, false),
  },
};

async function checkCase({ shapes, positive }: Case, f: Case["f"], runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(shapes, fc.integer(), async (drawn, seed) => {
      const args = drawn.map((each, i) => spreadValues(each, seed + i, i, positive));
      expect(await gradientErrors(f, args)).toEqual([]);
    }),
    { numRuns: runs, seed: 1, endOnFailure: true },
  );
}

/** The gradient of half the sum of squares, which is no constant even where the operation is linear. */
function derive(f: Case["f"]): Case["f"] {
  return (...xs) => {
    const y = f(...xs);
    return ad.vjp([y], [y], [xs[0]])[0] as Tensor;
  };
}

describe("gradients are those of central differences", () => {
  for (const [name, each] of Object.entries(cases)) {
    it(`of ${name}`, async () => {
      await expect(checkCase(each, each.f, 5)).resolves.toBeUndefined();
    });
    it(`of the gradient of ${name}`, async () => {
      await expect(checkCase(each, derive(each.f), 2)).resolves.toBeUndefined();
    });
  }
});
