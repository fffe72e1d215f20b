/**
 * The parameters of a GGUF model for training with `@veridraft/autodiff`, and back into a file that the engine, its servers and llama.cpp load.
 *
 * A matrix of the file has a row for each output, here a column; rotary pairs that stand side by side in the file are halves here.
 */
import { open } from "node:fs/promises";
import type { HostTensor } from "@veridraft/autodiff";
import type { Block, Linear, Norm, Transformer, TransformerConfig } from "@veridraft/autodiff/nn";
import { ShapeError, UnsupportedError } from "@veridraft/core-probs";
import { type DecoderShape, decoderShape } from "./architectures.ts";
import { fileRow, readBytes, readFloats } from "./convert.ts";
import { type GgufTensor, readGguf } from "./gguf.ts";
import { writeGguf } from "./write-gguf.ts";

/** A model for training. */
export interface TransformerFile {
  readonly config: TransformerConfig;
  readonly params: Transformer<HostTensor>;
}

/**
 * Reads all parameters, in float32.
 *
 * @throws ModelFileError, UnsupportedError as loadModel, and for an architecture that is more than Llama's.
 */
export async function readTransformer(path: string): Promise<TransformerFile> {
  const gguf = await readGguf(path);
  const shape = decoderShape(gguf);
  const source = await open(path);
  try {
    const factors = shape.attention[0].rope?.factors;
    const config = configOf(shape, factors ? await readFloats(source, factors) : null);
    const values = new Map<string, HostTensor>();
    for (const tensor of gguf.tensors.values()) {
      // oxlint-disable-next-line no-await-in-loop -- one tensor at a time is held twice
      const data = await readFloats(source, tensor);
      values.set(tensor.name, fromFile(tensor, data, shape));
    }
    return { config, params: paramsOf(values, shape) };
  } finally {
    await source.close();
  }
}

/**
 * Writes a model of the sizes, tokenizer and chat template of another one. Tensors that are still the other's are copied as they are, in their
 * quantized type; the others become F32.
 *
 * @param base The file that the parameters were read from. @param path Of the new one.
 * @throws ShapeError where the parameters are not of the base's sizes; what {@link readTransformer} throws for the base.
 */
export async function writeTransformer(
  base: string,
  params: Transformer<HostTensor>,
  path: string,
): Promise<void> {
  const gguf = await readGguf(base);
  const shape = decoderShape(gguf);
  configOf(shape, null);
  const names = namesOf(params);
  const source = await open(base);
  try {
    await writeGguf(gguf, path, async (tensor) => {
      const value = names.get(tensor.name);
      if (tensor.name === shape.attention[0].rope?.factors?.name) return readBytes(source, tensor);
      if (!value) throw new ShapeError(`writeTransformer: the parameters have no ${tensor.name}`);
      const data = toFile(tensor, value, shape);
      return equal(data, await readFloats(source, tensor)) ? readBytes(source, tensor) : data;
    });
  } finally {
    await source.close();
  }
}

/** @param factors Of the rope's frequencies. @throws UnsupportedError for what the layers of autodiff do not have. */
function configOf(shape: DecoderShape, factors: Float32Array | null): TransformerConfig {
  const [{ rope }] = shape.attention;
  const plain =
    !shape.fused &&
    !shape.headNorms &&
    !shape.postNorms &&
    !shape.scaledEmbedding &&
    !shape.biased &&
    shape.activation === "silu" &&
    shape.attention.every((each) => each.window === null && each.rope === rope);
  if (!plain || rope === null) {
    throw new UnsupportedError(
      "readTransformer: only models of the kind of Llama can be trained: separate projections without biases, RMS norms, SwiGLU, and one rotary base",
    );
  }
  return {
    vocabSize: shape.vocab,
    contextLength: shape.context,
    layers: shape.layers,
    width: shape.hidden,
    heads: shape.heads,
    kvHeads: shape.kvHeads,
    headDim: shape.headDim,
    hidden: shape.feedForward,
    mlp: "swiglu",
    norm: "rms",
    epsilon: shape.epsilon,
    rotaryBase: rope.base,
    ...((factors || rope.scale !== 1) && {
      rotaryDivisors: Array.from(
        { length: shape.headDim / 2 },
        (_, j) => rope.scale * (factors?.[j] ?? 1),
      ),
    }),
    tied: shape.tied,
  };
}

/** The parts of a block by their name in the file. */
const parts = {
  attn_norm: ({ attentionNorm }: Block<HostTensor>) => attentionNorm,
  attn_q: ({ query }: Block<HostTensor>) => query,
  attn_k: ({ key }: Block<HostTensor>) => key,
  attn_v: ({ value }: Block<HostTensor>) => value,
  attn_output: ({ output }: Block<HostTensor>) => output,
  ffn_norm: ({ mlpNorm }: Block<HostTensor>) => mlpNorm,
  ffn_gate: ({ mlp }: Block<HostTensor>) => mlp.gate,
  ffn_up: ({ mlp }: Block<HostTensor>) => mlp.up,
  ffn_down: ({ mlp }: Block<HostTensor>) => mlp.down,
} as const satisfies Record<
  string,
  (block: Block<HostTensor>) => Linear<HostTensor> | Norm<HostTensor> | undefined
>;

function paramsOf(
  values: ReadonlyMap<string, HostTensor>,
  shape: DecoderShape,
): Transformer<HostTensor> {
  const take = (name: string): { readonly weight: HostTensor } => ({
    weight: values.get(`${name}.weight`) as HostTensor,
  });
  return {
    embedding: take("token_embd").weight,
    blocks: Array.from({ length: shape.layers }, (_, i) => {
      const part = (name: keyof typeof parts) => take(`blk.${i}.${name}`);
      return {
        attentionNorm: part("attn_norm"),
        query: part("attn_q"),
        key: part("attn_k"),
        value: part("attn_v"),
        output: part("attn_output"),
        mlpNorm: part("ffn_norm"),
        mlp: { gate: part("ffn_gate"), up: part("ffn_up"), down: part("ffn_down") },
      };
    }),
    norm: take("output_norm"),
    ...(!shape.tied && { head: take("output") }),
  };
}

/** The parameters by their name in the file. */
function namesOf({
  embedding,
  blocks,
  norm,
  head,
}: Transformer<HostTensor>): Map<string, HostTensor> {
  const names = new Map([
    ["token_embd.weight", embedding],
    ["output_norm.weight", norm.weight],
  ]);
  if (head) names.set("output.weight", head.weight);
  blocks.forEach((block, i) => {
    for (const [name, part] of Object.entries(parts)) {
      const weight = part(block)?.weight;
      if (weight) names.set(`blk.${i}.${name}.weight`, weight);
    }
  });
  return names;
}

/** Rotary heads of a matrix whose pairs stand side by side in the file, else 0. */
function interleavedHeads(
  { name }: GgufTensor,
  { interleaved, heads, kvHeads }: DecoderShape,
): number {
  if (!interleaved) return 0;
  if (name.endsWith(".attn_q.weight")) return heads;
  return name.endsWith(".attn_k.weight") ? kvHeads : 0;
}

function isMatrix({ name, shape }: GgufTensor): boolean {
  return shape.length === 2 && name !== "token_embd.weight";
}

function fromFile(tensor: GgufTensor, data: Float32Array, shape: DecoderShape): HostTensor {
  if (!isMatrix(tensor)) return { data, shape: tensor.shape.toReversed() };
  const [inputs, outputs] = tensor.shape;
  const heads = interleavedHeads(tensor, shape);
  const turned = new Float32Array(data.length);
  for (let column = 0; column < outputs; column++) {
    const from = fileRow(column, shape.headDim, heads) * inputs;
    for (let i = 0; i < inputs; i++) turned[i * outputs + column] = data[from + i];
  }
  return { data: turned, shape: [inputs, outputs] };
}

function toFile(
  tensor: GgufTensor,
  { data, shape: own }: HostTensor,
  shape: DecoderShape,
): Float32Array {
  const wanted = isMatrix(tensor) ? tensor.shape : tensor.shape.toReversed();
  if (own.join() !== wanted.join()) {
    throw new ShapeError(
      `writeTransformer: ${tensor.name} must be [${wanted.join(", ")}], got [${own.join(", ")}]`,
    );
  }
  if (!isMatrix(tensor)) return data as Float32Array;
  const [inputs, outputs] = tensor.shape;
  const heads = interleavedHeads(tensor, shape);
  const turned = new Float32Array(data.length);
  for (let column = 0; column < outputs; column++) {
    const to = fileRow(column, shape.headDim, heads) * inputs;
    for (let i = 0; i < inputs; i++) turned[to + i] = data[i * outputs + column];
  }
  return turned;
}

function equal(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
