import {
  add,
  attention,
  buildGraph,
  constant,
  conv2d,
  convTranspose2d,
  crossEntropy,
  gelu,
  type HostTensor,
  input,
  iota,
  cast,
  cos,
  exp,
  expandDims,
  jit,
  layerNorm,
  matmul,
  mul,
  reshape,
  rmsNorm,
  rotary,
  silu,
  sin,
  type Tensor,
  transpose,
  vjp,
} from "@veridraft/autodiff";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runner } from "./gradients.ts";

interface Stored {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Vectors {
  readonly inputs: Readonly<Record<string, Stored>>;
  readonly output: Stored;
  readonly weights: Stored;
  readonly gradients: Readonly<Record<string, Stored>>;
}

/** What fixtures/make-vectors.py computed with PyTorch in float64. */
const vectors: Readonly<Record<"transformer" | "convolution" | "crossEntropy", Vectors>> =
  JSON.parse(readFileSync(new URL("fixtures/vectors.json", import.meta.url), "utf8"));

type Named = Readonly<Record<string, Tensor>>;

function toHost({ shape, data }: Stored): HostTensor {
  return { shape, data: Float32Array.from(data) };
}

/** The largest difference from a stored tensor, in parts of its largest element. */
function distance({ shape, data }: HostTensor, stored: Stored): number {
  expect(shape).toEqual(stored.shape);
  const scale = Math.max(...stored.data.map(Math.abs));
  return Math.max(...stored.data.map((value, i) => Math.abs(value - data[i]) / scale));
}

async function distances(f: (inputs: Named) => Tensor, stored: Vectors): Promise<number[]> {
  const run = jit(runner, (inputs: Named, weights: Tensor) => {
    const y = f(inputs);
    const gradients = vjp([y], [weights], Object.values(inputs)) as Tensor[];
    return { y, gradients };
  });
  const inputs = Object.fromEntries(
    Object.entries(stored.inputs).map(([name, each]) => [name, toHost(each)]),
  );
  const { y, gradients } = await run(inputs, toHost(stored.weights));
  await run.dispose();
  return [
    distance(y, stored.output),
    ...Object.values(stored.gradients).map((each, i) => distance(gradients[i], each)),
  ];
}

/** x [batch, sequence, heads * 4] as [batch, heads, sequence, 4], rotated where asked. */
function headsOf(x: Tensor, rotated: boolean): Tensor {
  const [batch, sequence] = x.shape;
  const heads = transpose(reshape(x, [batch, sequence, -1, 4]), [0, 2, 1, 3]);
  if (!rotated) return heads;
  const frequencies = exp(mul(cast(iota(2), "float32"), -Math.log(10000) / 2));
  const angles = mul(expandDims(cast(iota(sequence), "float32"), 1), frequencies);
  return rotary(heads, cos(angles), sin(angles));
}

function transformer({ x, norm, q, k, v, out, norm2, bias2, up, down }: Named): Tensor {
  const h = rmsNorm(x, norm, { epsilon: 1e-6 });
  const mixed = attention(
    headsOf(matmul(h, q), true),
    headsOf(matmul(h, k), true),
    headsOf(matmul(h, v), false),
    { causal: true },
  );
  const rows = reshape(transpose(mixed, [0, 2, 1, 3]), [...x.shape.slice(0, 2), -1]);
  const y = add(x, matmul(rows, out));
  return add(y, matmul(gelu(matmul(layerNorm(y, norm2, bias2), up)), down));
}

function convolution({ x, kernel, bias, back }: Named): Tensor {
  const y = silu(add(conv2d(x, kernel, { stride: 2, padding: 1 }), reshape(bias, [-1, 1, 1])));
  return convTranspose2d(y, back, { stride: 2, padding: 1 });
}

function maskedLoss({ logits }: Named): Tensor {
  const ids = constant(Int32Array.of(3, 0, 6, 1, 1, 4), [2, 3]);
  const mask = constant(Float32Array.of(1, 0.5, 1, 0, 1, 2), [2, 3]);
  return crossEntropy(logits, ids, { mask });
}

describe("outputs and gradients are PyTorch's", () => {
  it("of a transformer block", async () => {
    const found = await distances(transformer, vectors.transformer);
    expect(found).toHaveLength(11);
    expect(Math.max(...found)).toBeLessThan(2e-6);
  });

  it("of a transformer block whose batch and sequence are named sizes", async () => {
    const { inputs, weights, gradients } = vectors.transformer;
    const shapes = Object.entries(inputs).map(
      ([name, { shape }]) =>
        [name, input("float32", name === "x" ? ["batch", "sequence", 8] : shape)] as const,
    );
    const named = Object.fromEntries(shapes);
    const cotangent = input("float32", ["batch", "sequence", 8]);
    const found = vjp([transformer(named)], [cotangent], Object.values(named)) as Tensor[];
    const names = Object.keys(inputs);
    const results = Object.fromEntries(names.map((name, i) => [`d.${name}`, found[i]]));
    const program = await runner.compile(buildGraph({ ...named, cotangent }, results));
    const fed = Object.entries({ ...inputs, cotangent: weights });
    const outputs = await program.run(
      Object.fromEntries(fed.map(([name, each]) => [name, toHost(each)])),
    );
    const errors = names.map((name) => distance(outputs[`d.${name}`], gradients[name]));
    expect(Math.max(...errors)).toBeLessThan(2e-6);
    await program.dispose();
  });

  it("of a convolution block", async () => {
    const found = await distances(convolution, vectors.convolution);
    expect(found).toHaveLength(5);
    expect(Math.max(...found)).toBeLessThan(1e-6);
  });

  it("of cross-entropy with a mask", async () => {
    const found = await distances(maskedLoss, vectors.crossEntropy);
    expect(found).toHaveLength(2);
    expect(Math.max(...found)).toBeLessThan(1e-6);
  });
});
