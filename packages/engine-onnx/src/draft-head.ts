/**
 * Draft heads on ONNX Runtime: the file of one, and the network that runs it.
 *
 * A file is safetensors with the parameters of `@veridraft/spec-decoding/training` by their paths: matrices as 8-bit blocks along the inputs, uint8 with
 * zero point 128 under `NAME.values` [outputs, inputs] and float32 `NAME.scales` [outputs, inputs / block], norms as float32, and `ids`. What a token reads and what says
 * it are rows of the target's own file, which a head is of no use without. The notes hold how the head was made, and the SHA-256 of the target.
 *
 * The session has one thread, which does not spin: a second session that spins slows the target's by two thirds.
 */
import {
  type HostTensor,
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from "@veridraft/autodiff";
import { GraphBuilder } from "@veridraft/autodiff/onnx";
import { type DraftHead, type HeadRow, ModelFileError } from "@veridraft/core-probs";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { fileSha256 } from "./file-hash.ts";
import { type Blocks, quantizeBlocks } from "./quantize.ts";
import { createSession, dataOf } from "./session.ts";
import { readTokenTables, type TokenTable, type TokenTables } from "./token-tables.ts";

/** Elements that share a scale. */
const block = 64;
const format = "veridraft draft head 1";
const matrices = ["taps", "mix", "mlp.gate", "mlp.up", "mlp.down"] as const;
const norms = ["state", "token", "inner", "output"] as const;
/** Of all norms, in training, too. */
const epsilon = 1e-5;

/** A head to be stored. */
export interface StoredHead {
  /** By path: matrices [inputs, outputs] and norms [width]. */
  readonly params: ReadonlyMap<string, HostTensor>;
  /** [n] ids that it can say, ascending. */
  readonly ids: Int32Array;
  /** Of the target's file. */
  readonly targetSha256: string;
  /** How it was made, as JSON can hold it. */
  readonly manifest: Readonly<Record<string, unknown>>;
}

/** Rounds the matrices to 8 bits and writes the file. */
export async function writeDraftHead(path: string, head: StoredHead): Promise<void> {
  const tensors: Record<string, StoredTensor> = {
    ids: { data: head.ids, shape: [head.ids.length] },
  };
  for (const [name, { data, shape }] of head.params) {
    if (shape.length === 1) {
      tensors[name] = { data, shape };
      continue;
    }
    const [inputs, outputs] = shape;
    const { values, scales } = quantizeBlocks(transposed(data as Float32Array, inputs), block);
    tensors[`${name}.values`] = { data: values, shape: [outputs, inputs] };
    tensors[`${name}.scales`] = { data: scales, shape: [outputs, inputs / block] };
  }
  const { targetSha256, manifest } = head;
  const notes = { format, target_sha256: targetSha256, manifest: JSON.stringify(manifest) };
  await writeSafetensors(path, tensors, notes);
}

/** A head that runs, and how it was made. */
export interface LoadedHead extends DraftHead {
  readonly manifest: Readonly<Record<string, unknown>>;
}

/**
 * Loads a head and what it needs of its target.
 *
 * @param target The GGUF file that it was trained for.
 * @throws ModelFileError where the file is no draft head, or one of another target.
 */
export async function loadDraftHead(path: string, target: string): Promise<LoadedHead> {
  const [{ tensors, metadata }, targetSha256] = await Promise.all([
    readSafetensors(path),
    fileSha256(target),
  ]);
  if (metadata.format !== format) {
    throw new ModelFileError(`loadDraftHead: ${path} is no draft head of "${format}"`);
  }
  if (metadata.target_sha256 !== targetSha256) {
    throw new ModelFileError(
      `loadDraftHead: ${path} was trained for the model ${metadata.target_sha256}, but ${target} is ${targetSha256}; train one for it with veridraft draft train`,
    );
  }
  const tables = await readTokenTables(target);
  const { ids, weights, tapWidth } = readWeights(path, tensors, tables);
  const session = await createSession(graphOf(weights, tapWidth, ids, tables), {
    device: "cpu",
    threads: 1,
    spinning: false,
    affinity: undefined,
  });
  const manifest = JSON.parse(metadata.manifest) as LoadedHead["manifest"];
  return new OnnxHead(session, tables.embedding, { ids, tapWidth, targetSha256, manifest });
}

class OnnxHead implements LoadedHead {
  readonly targetSha256: string;
  readonly tapWidth: number;
  readonly ids: Int32Array;
  readonly manifest: LoadedHead["manifest"];
  private readonly session: InferenceSession;
  private readonly embedding: TokenTable;

  constructor(
    session: InferenceSession,
    embedding: TokenTable,
    about: Pick<LoadedHead, "targetSha256" | "tapWidth" | "ids" | "manifest">,
  ) {
    this.session = session;
    this.embedding = embedding;
    this.targetSha256 = about.targetSha256;
    this.tapWidth = about.tapWidth;
    this.ids = about.ids;
    this.manifest = about.manifest;
  }

  start(taps: Float32Array, id: number): Promise<HeadRow> {
    return this.run(taps, new Float32Array(this.embedding.width), id);
  }

  next({ state }: HeadRow, id: number): Promise<HeadRow> {
    return this.run(new Float32Array(this.tapWidth), state, id);
  }

  /** The taps, normed and projected, are added to the state: of either of them, the other is 0. */
  private async run(taps: Float32Array, state: Float32Array, id: number): Promise<HeadRow> {
    const results = await this.session.run({
      taps: new Tensor("float32", taps, [1, this.tapWidth]),
      state: new Tensor("float32", state, [1, state.length]),
      token: new Tensor("float32", this.embedding.rows([id]), [1, this.embedding.width]),
    });
    return {
      logits: dataOf(results.logits) as Float32Array,
      state: dataOf(results.next) as Float32Array,
    };
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }
}

/** What the file holds, by name. */
type HeadWeights = ReadonlyMap<string, StoredTensor>;

function readWeights(
  path: string,
  tensors: Readonly<Record<string, StoredTensor>>,
  { embedding }: TokenTables,
): { ids: Int32Array; weights: HeadWeights; tapWidth: number } {
  const { width, vocabSize } = embedding;
  const weights = new Map(Object.entries(tensors));
  const shapeOf = (name: string): readonly number[] => weights.get(name)?.shape ?? [];
  const tapWidth = shapeOf("taps.weight.values")[1] ?? 0;
  const hidden = shapeOf("mlp.up.weight.values")[0] ?? 0;
  const sizes: Record<(typeof matrices)[number], readonly [number, number]> = {
    taps: [width, tapWidth],
    mix: [width, 2 * width],
    "mlp.gate": [hidden, width],
    "mlp.up": [hidden, width],
    "mlp.down": [width, hidden],
  };
  const fits =
    tapWidth > 0 &&
    tapWidth % width === 0 &&
    hidden > 0 &&
    matrices.every((name) => {
      const [outputs, inputs] = sizes[name];
      return (
        shapeOf(`${name}.weight.values`).join() === `${outputs},${inputs}` &&
        shapeOf(`${name}.weight.scales`).join() === `${outputs},${inputs / block}`
      );
    }) &&
    norms.every((name) => shapeOf(`${name}.weight`).join() === `${width}`);
  const ids = weights.get("ids")?.data;
  const ascends =
    ids instanceof Int32Array &&
    ids.length > 0 &&
    ids.every((id, i) => id < vocabSize && id > (i === 0 ? -1 : ids[i - 1]));
  if (!fits || !ascends) {
    throw new ModelFileError(
      `loadDraftHead: the tensors of ${path} are not those of a head for a model of width ${width} and ${vocabSize} tokens`,
    );
  }
  return { ids, weights, tapWidth };
}

/**
 * The network, a row a run: taps [1, tapWidth], state [1, width] and the row of a token [1, width] in, logits [1, n] and the next state out.
 */
function graphOf(
  weights: HeadWeights,
  tapWidth: number,
  ids: Int32Array,
  { embedding, output }: TokenTables,
): Uint8Array {
  const { width } = embedding;
  // All weights are in the graph itself.
  const graph = new GraphBuilder("");
  const linear = (name: string, x: string, { values, scales }: Blocks, K: number): string => {
    const N = values.length / K;
    graph.constant(`${name}.values`, values, [N, K / block, block]);
    graph.constant(`${name}.scales`, scales, [scales.length]);
    const inputs = [x, `${name}.values`, `${name}.scales`];
    const sizes = { K, N, bits: 8, block_size: block, accuracy_level: 4 };
    return graph.node("com.microsoft:MatMulNBits", inputs, `${name}.product`, sizes);
  };
  const stored = (name: (typeof matrices)[number], x: string): string => {
    const { data: values, shape } = weights.get(`${name}.weight.values`) as StoredTensor;
    const { data: scales } = weights.get(`${name}.weight.scales`) as StoredTensor;
    return linear(name, x, { values, scales } as Blocks, shape[1]);
  };
  const normed = (name: string, x: string, gains: Float32Array): string => {
    graph.constant(`${name}.gains`, gains, [width]);
    return graph.node("SimplifiedLayerNormalization", [x, `${name}.gains`], `${name}.normed`, {
      axis: -1,
      epsilon: { float: epsilon },
      stash_type: 1,
    });
  };
  const norm = (name: (typeof norms)[number], x: string): string =>
    normed(name, x, weights.get(`${name}.weight`)?.data as Float32Array);
  const reshape = (x: string, ...dims: number[]): string => {
    const shape = graph.constant(`${x}.shape`, BigInt64Array.from(dims, BigInt), [dims.length]);
    return graph.node("Reshape", [x, shape], `${x}.shaped`);
  };

  graph.input("taps", "float32", [1, tapWidth]);
  graph.input("state", "float32", [1, width]);
  graph.input("token", "float32", [1, width]);
  const layers = reshape("taps", tapWidth / width, width);
  const even = normed("layers", layers, new Float32Array(width).fill(1));
  const entered = stored("taps", reshape(even, 1, tapWidth));
  const state = graph.node("Add", [entered, "state"], "entered");
  const pair = graph.node("Concat", [norm("state", state), norm("token", "token")], "pair", {
    axis: -1,
  });
  const mixed = stored("mix", pair);
  const inner = norm("inner", mixed);
  const gate = stored("mlp.gate", inner);
  const silu = graph.node("Mul", [gate, graph.node("Sigmoid", [gate], "sigmoid")], "silu");
  const raised = graph.node("Mul", [silu, stored("mlp.up", inner)], "raised");
  graph.node("Add", [mixed, stored("mlp.down", raised)], "next");
  const rows = quantizeBlocks(output.rows(ids), block);
  graph.node("Identity", [linear("head", norm("output", "next"), rows, width)], "logits");
  graph.output("logits", "float32", [1, ids.length]);
  graph.output("next", "float32", [1, width]);
  return graph.encode();
}

/** [cols, rows] of [rows, cols]. */
function transposed(values: Float32Array, rows: number): Float32Array {
  const cols = values.length / rows;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) out[col * rows + row] = values[row * cols + col];
  }
  return out;
}
