/**
 * Runs graphs of the full layout (see full-graph.ts), one sequence a run, on the CPU or a device.
 *
 * A lone row runs beside a second one of the same token, whose keys and values are not kept: it has the kernels of longer runs then.
 */
import { UnsupportedError } from "@veridraft/core-probs";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { type FullGraph, layerName } from "./full-graph.ts";
import { readHalf } from "./half.ts";
import { fewestRows, integers, type Part, type PartRows, type Runner } from "./runner.ts";
import type { FullCache } from "./sequence-cache.ts";
import { createSession, dataOf, type SessionOptions } from "./session.ts";

/** A session over a graph. */
export class FullRunner implements Runner<FullCache> {
  readonly slots = 1;
  private readonly session: InferenceSession;
  private readonly graph: FullGraph;
  private readonly contextLength: number;
  /** Keys and values by layer, as a cache has them. */
  private readonly pastNames: readonly string[];
  private readonly presentNames: readonly string[];

  private constructor(session: InferenceSession, graph: FullGraph, contextLength: number) {
    this.session = session;
    this.graph = graph;
    this.contextLength = contextLength;
    this.pastNames = byLayer(graph, "pastKey", "pastValue");
    this.presentNames = presentNames(graph);
  }

  /** Loads a graph. @param staysOnDevice Whether keys and values do, and their cache is one for that. */
  static async load(
    graph: FullGraph,
    contextLength: number,
    options: SessionOptions,
    staysOnDevice: boolean,
  ): Promise<FullRunner> {
    const kept = staysOnDevice ? presentNames(graph) : [];
    const session = await createSession(graph.path, options, kept);
    return new FullRunner(session, graph, contextLength);
  }

  async run([part]: readonly Part<FullCache>[]): Promise<PartRows[]> {
    const { names } = this.graph;
    const { cache, past, wanted } = part;
    const ids = [...part.ids];
    // The very last row of a context has no position after it.
    if (part.padded && past + ids.length < this.contextLength) {
      while (ids.length < fewestRows) ids.push(ids[0]);
    }
    const kept = this.graph.has.keep ? ids.length - (wanted[0] ?? ids.length - 1) : ids.length;
    const fetches = [names.logits, ...this.presentNames];
    const outputs = await this.session.run(this.feeds(ids, past, kept, cache), fetches);
    const present = this.presentNames.map((name) => outputs[name]);
    cache.keep(present, past, part.ids.length);
    const logits = this.logitsOf(outputs[names.logits], ids.length - kept, kept, wanted);
    return [{ logits, taps: null }];
  }

  private feeds(
    ids: readonly number[],
    past: number,
    kept: number,
    cache: FullCache,
  ): Record<string, Tensor> {
    const { names, has } = this.graph;
    const rows = [1, ids.length];
    const total = past + ids.length;
    const feeds: Record<string, Tensor> = { [names.ids]: integers(ids, rows) };
    if (has.mask) {
      feeds[names.mask] = new Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]);
    }
    if (has.positions) {
      feeds[names.positions] = integers(
        ids.map((_, i) => past + i),
        rows,
      );
    }
    if (has.keep) feeds[names.keep] = integers([kept], []);
    if (has.hasPast) feeds[names.hasPast] = new Tensor("bool", [past > 0], [1]);
    cache.past(past).forEach((tensor, i) => {
      feeds[this.pastNames[i]] = tensor;
    });
    return feeds;
  }

  /** The wanted rows of logits of which the first is row `first` of the run. */
  private logitsOf(
    logits: Tensor,
    first: number,
    rows: number,
    wanted: readonly number[],
  ): Float32Array {
    const { path, names, vocabSize } = this.graph;
    if (logits.dims[1] !== rows) {
      throw new UnsupportedError(
        `engine: ${path} gave ${names.logits} [${logits.dims.join(", ")}] for ${rows} rows; a graph that prunes all but the last cannot be used`,
      );
    }
    const data = dataOf(logits);
    const out = new Float32Array(wanted.length * vocabSize);
    wanted.forEach((row, i) => {
      const from = (row - first) * vocabSize;
      copyFloats(data, from, out.subarray(i * vocabSize, (i + 1) * vocabSize));
    });
    return out;
  }
}

/** The outputs with keys and values. */
function presentNames(graph: FullGraph): string[] {
  return byLayer(graph, "presentKey", "presentValue");
}

function byLayer(
  { layers, names }: FullGraph,
  ...kinds: ("pastKey" | "pastValue" | "presentKey" | "presentValue")[]
): string[] {
  return Array.from({ length: layers }, (_, layer) =>
    kinds.map((kind) => layerName(names[kind], layer)),
  ).flat();
}

/** Fills `out` with floats or halves from `from` on. */
function copyFloats(data: Tensor["data"], from: number, out: Float32Array): void {
  if (data instanceof Float32Array) {
    out.set(data.subarray(from, from + out.length));
    return;
  }
  const { buffer, byteOffset } = data as Uint16Array;
  const bytes = new Uint8Array(buffer, byteOffset + 2 * from, 2 * out.length);
  for (let i = 0; i < out.length; i++) out[i] = readHalf(bytes, 2 * i);
}
