/**
 * What verifying, prompts and streams cost on this machine, beside llama.cpp and Transformers.js on the same weights.
 *
 * Every engine is a process of its own, and only one works at a time; rounds are interleaved. llama.cpp runs the file itself and copies of it in Q8_0, the
 * quality of our 8 bits, and in Q4_0, its fastest; Transformers.js runs an export of it, in f32 for f32 and else in int8.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decoderShape, exportModel, readGguf, usableCpus } from "@veridraft/engine-onnx";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { type JsonProcess, startJsonProcess } from "./json-process.ts";
import { median } from "./median.ts";
import { jsonOption, modelOptions } from "./options.ts";
import { llamaCpp, type Peer, peerIsMissing, startPeer, transformersJs } from "./peer.ts";
import { requantize } from "./requantize.ts";

export const benchEngineOptions = modelOptions.omit({ device: true, cacheType: true }).extend({
  weights: modelOptions.shape.weights.default("int8"),
  rounds: z.int().min(1).max(100).default(5).describe("Times that everything is measured."),
  json: jsonOption,
});
type Flags = z.output<typeof benchEngineOptions>;

const mostStreams = 16;

/** One figure: what it is, and how an engine is asked for it. */
interface Measure {
  readonly name: string;
  readonly unit: "ms" | "tokens/s";
  /** Tokens of a sequence in it. */
  readonly tokens: number;
  readonly request: object;
}

const measures: readonly Measure[] = [
  ...[1, 2, 3, 4, 6, 8, 16, 32].map((rows): Measure => forward(rows, 128)),
  forward(1, 512),
  forward(8, 512),
  {
    name: "2 rows after 128 with hidden states",
    unit: "ms",
    tokens: 130,
    request: { op: "tapped", past: 128, rows: 2 },
  },
  ...[256, 1024].map((rows): Measure => ({
    name: `prompt of ${rows}`,
    unit: "ms",
    tokens: rows,
    request: { op: "prefill", rows },
  })),
  ...[1, 4, 8, 16].map((count): Measure => ({
    name: `${count} streams`,
    unit: "tokens/s",
    tokens: 128 + 16,
    request: { op: "streams", count, past: 128, tokens: 16 },
  })),
];

function forward(rows: number, past: number): Measure {
  return {
    name: `${rows} rows after ${past}`,
    unit: "ms",
    tokens: past + rows,
    request: { op: "forward", past, rows },
  };
}

/** `veridraft bench engine`. */
export async function benchEngine(flags: Flags): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "veridraft-bench-"));
  const engines = new Map<string, JsonProcess>();
  try {
    const gguf = await readGguf(flags.model);
    const { context, vocab } = decoderShape(gguf);
    const fitting = measures.filter(({ tokens }) => tokens <= context);
    if (fitting.length < measures.length) {
      process.stderr.write(`rows of more than the ${context} tokens of a context are left out\n`);
    }
    engines.set(flags.weights, await startOurs(flags));
    if (isThere(llamaCpp)) {
      const options = ["--sequences", `${mostStreams}`, "--vocab", `${vocab}`];
      engines.set("llama.cpp", await startPeer(llamaCpp, flags.model, usableCpus(), ...options));
      for (const type of ["Q8_0", "Q4_0"] as const) {
        const copy = join(folder, `${type}.gguf`);
        await requantize(gguf, type, copy);
        engines.set(`llama.cpp ${type}`, await startPeer(llamaCpp, copy, usableCpus(), ...options));
      }
    }
    if (isThere(transformersJs)) {
      const copy = join(folder, "export");
      const weights = flags.weights === "f32" ? "f32" : "int8";
      const dtype = ["--dtype", await exportModel(flags.model, weights, copy)];
      engines.set(
        `Transformers.js ${weights}`,
        await startPeer(transformersJs, copy, usableCpus(), ...dtype),
      );
    }
    const { figures, reasons } = await measure(engines, fitting, flags.rounds);
    const versions = [...engines.values()].map(({ greeting }) => greeting.version);
    const about = [
      `${cpus().length} x ${cpus()[0].model}, Node ${process.version}`,
      ...new Set(versions.filter((version) => version !== undefined)),
    ].join("; ");
    process.stdout.write(
      flags.json
        ? `${JSON.stringify({ about, engines: [...engines.keys()], figures, reasons })}\n`
        : `${table(figures, [...engines.keys()])}\n\nMedian / best of ${flags.rounds}. ${about}\n${reasons.map((reason) => `${reason}\n`).join("")}`,
    );
  } finally {
    for (const engine of engines.values()) await engine.stop();
    await rm(folder, { recursive: true });
  }
}

/** Whether a peer can run here; says why where it cannot. */
function isThere(peer: Peer): boolean {
  const missing = peerIsMissing(peer);
  if (missing !== null) process.stderr.write(`${missing}\n`);
  return missing === null;
}

function startOurs({ model, weights }: Flags): Promise<JsonProcess> {
  const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const main = fileURLToPath(new URL(`./engine-process.${suffix}`, import.meta.url));
  const options = JSON.stringify({ model, weights, streams: 8 });
  return startJsonProcess("our engine", [...process.execArgv, main, options]);
}

/** Median and best of what each engine did, engines in the order they were given; null where one cannot do it. */
interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly median: readonly (number | null)[];
  readonly best: readonly (number | null)[];
}

/** Measures everything. `reasons` say why an engine has no figure. */
async function measure(
  engines: ReadonlyMap<string, JsonProcess>,
  wanted: readonly Measure[],
  rounds: number,
): Promise<{ readonly figures: Figure[]; readonly reasons: string[] }> {
  const all = [...engines];
  const seen = wanted.map(() => all.map((): number[] => []));
  const reasons = new Set<string>();
  // The first of everything is not counted.
  for (let round = -1; round < rounds; round++) {
    for (const [m, { name, request }] of wanted.entries()) {
      process.stderr.write(`round ${round + 1} of ${rounds}: ${name}\n`);
      for (let i = 0; i < all.length; i++) {
        const e = (i + round + 1) % all.length;
        const [engine, process] = all[e];
        const answer = await process.askOrReason<{ ms?: number; tokensPerSecond?: number }>(
          request,
        );
        if ("error" in answer) reasons.add(`-: ${engine}, ${name}: ${answer.error}`);
        else if (round >= 0) seen[m][e].push((answer.ms ?? answer.tokensPerSecond) as number);
      }
    }
  }
  const figures = wanted.map(({ name, unit }, m): Figure => {
    const best = unit === "ms" ? Math.min : Math.max;
    const each = (of: (values: number[]) => number) =>
      seen[m].map((values) => (values.length === rounds ? of(values) : null));
    return { name, unit, median: each(median), best: each((values) => best(...values)) };
  });
  const loads = all.map(([, { greeting }]) => Number(greeting.loadMs));
  const memory = await Promise.all(
    all.map(([, engine]) => engine.ask<{ megabytes: number }>({ op: "memory" })),
  );
  const megabytes = memory.map((each) => each.megabytes);
  figures.push(
    { name: "load", unit: "ms", median: loads, best: loads },
    { name: "resident", unit: "MB", median: megabytes, best: megabytes },
  );
  return { figures, reasons: [...reasons] };
}

function table(figures: readonly Figure[], engines: readonly string[]): string {
  const lines = figures.map(({ name, unit, median: middle, best }) => [
    `${name}, ${unit}`,
    ...middle.map((value, e) =>
      value === null ? "-" : `${value.toFixed(1)} / ${best[e]?.toFixed(1)}`,
    ),
  ]);
  return markdownTable([["", ...engines], ...lines], { align: ["l", ...engines.map(() => "r")] });
}
