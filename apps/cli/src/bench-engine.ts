/**
 * What verifying, prompts and streams cost on this machine, beside llama.cpp on the same weights.
 *
 * Every engine is a process of its own, and only one works at a time; rounds are interleaved. llama.cpp runs the file itself and copies of it in Q8_0, the
 * quality of our 8 bits, and in Q4_0, its fastest.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readGguf, usableCpus } from "@veridraft/engine-onnx";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { type JsonProcess, startJsonProcess } from "./json-process.ts";
import { median } from "./median.ts";
import { jsonOption, modelOptions } from "./options.ts";
import { peerIsMissing, startPeer } from "./peer.ts";
import { requantize } from "./requantize.ts";

export const benchEngineOptions = modelOptions.extend({
  rounds: z.int().min(1).max(100).default(5).describe("Times that everything is measured."),
  json: jsonOption,
});
type Flags = z.output<typeof benchEngineOptions>;

const mostStreams = 16;

/** One figure: what it is, and how an engine is asked for it. */
interface Measure {
  readonly name: string;
  readonly unit: "ms" | "tokens/s";
  readonly request: object;
}

const measures: readonly Measure[] = [
  ...[1, 2, 3, 4, 6, 8, 16, 32].map((rows): Measure => forward(rows, 128)),
  forward(1, 512),
  forward(8, 512),
  ...[256, 1024].map((rows): Measure => ({
    name: `prompt of ${rows}`,
    unit: "ms",
    request: { op: "prefill", rows },
  })),
  ...[1, 4, 8, 16].map((count): Measure => ({
    name: `${count} streams`,
    unit: "tokens/s",
    request: { op: "streams", count, past: 128, tokens: 16 },
  })),
];

function forward(rows: number, past: number): Measure {
  return {
    name: `${rows} rows after ${past}`,
    unit: "ms",
    request: { op: "forward", past, rows },
  };
}

/** `veridraft bench engine`. */
export async function benchEngine(flags: Flags): Promise<void> {
  const missing = peerIsMissing();
  if (missing !== null) process.stderr.write(`${missing}\n`);
  const folder = await mkdtemp(join(tmpdir(), "veridraft-bench-"));
  const engines = new Map<string, JsonProcess>();
  try {
    engines.set(flags.weights, await startOurs(flags));
    if (missing === null) {
      const gguf = await readGguf(flags.model);
      const threads = usableCpus();
      const sequences = ["--sequences", `${mostStreams}`];
      engines.set("llama.cpp", await startPeer(flags.model, threads, ...sequences));
      for (const type of ["Q8_0", "Q4_0"] as const) {
        const copy = join(folder, `${type}.gguf`);
        await requantize(gguf, type, copy);
        engines.set(`llama.cpp ${type}`, await startPeer(copy, threads, ...sequences));
      }
    }
    const figures = await measure(engines, flags.rounds);
    const about = [
      `${cpus().length} x ${cpus()[0].model}, Node ${process.version}`,
      ...[...engines.values()].slice(1, 2).map(({ greeting }) => greeting.version),
    ].join("; ");
    process.stdout.write(
      flags.json
        ? `${JSON.stringify({ about, engines: [...engines.keys()], figures })}\n`
        : `${table(figures, [...engines.keys()])}\n\nMedian / best of ${flags.rounds}. ${about}\n`,
    );
  } finally {
    for (const engine of engines.values()) await engine.stop();
    await rm(folder, { recursive: true });
  }
}

function startOurs({ model, weights }: Flags): Promise<JsonProcess> {
  const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const main = fileURLToPath(new URL(`./engine-process.${suffix}`, import.meta.url));
  const options = JSON.stringify({ model, weights, streams: 8 });
  return startJsonProcess("our engine", [...process.execArgv, main, options]);
}

/** Median and best of what each engine did, engines in the order they were given. */
interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly median: readonly number[];
  readonly best: readonly number[];
}

async function measure(
  engines: ReadonlyMap<string, JsonProcess>,
  rounds: number,
): Promise<Figure[]> {
  const all = [...engines.values()];
  const seen = measures.map(() => all.map((): number[] => []));
  // The first of everything is not counted.
  for (let round = -1; round < rounds; round++) {
    for (const [m, { name, request }] of measures.entries()) {
      process.stderr.write(`round ${round + 1} of ${rounds}: ${name}\n`);
      for (let i = 0; i < all.length; i++) {
        const e = (i + round + 1) % all.length;
        const { ms, tokensPerSecond } = await all[e].ask<Record<string, number>>(request);
        if (round >= 0) seen[m][e].push(ms ?? tokensPerSecond);
      }
    }
  }
  const figures = measures.map(({ name, unit }, m) => ({
    name,
    unit,
    median: seen[m].map((values) => median(values)),
    best: seen[m].map((values) => (unit === "ms" ? Math.min(...values) : Math.max(...values))),
  }));
  const memory = await Promise.all(
    all.map((engine) => engine.ask<{ megabytes: number }>({ op: "memory" })),
  );
  const megabytes = memory.map((each) => each.megabytes);
  const loads = all.map(({ greeting }) => Number(greeting.loadMs));
  return [
    ...figures,
    { name: "load", unit: "ms", median: loads, best: loads },
    { name: "resident", unit: "MB", median: megabytes, best: megabytes },
  ];
}

function table(figures: readonly Figure[], engines: readonly string[]): string {
  const lines = figures.map(({ name, unit, median: middle, best }) => [
    `${name}, ${unit}`,
    ...middle.map((value, e) => `${value.toFixed(1)} / ${best[e].toFixed(1)}`),
  ]);
  return markdownTable([["", ...engines], ...lines], { align: ["l", ...engines.map(() => "r")] });
}
