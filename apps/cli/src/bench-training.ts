/**
 * How fast a training step is, beside PyTorch, jax-js and TensorFlow.js, from the same parameters on the same batches with the same optimizer.
 *
 * Every engine is a process of its own, and only one works at a time; rounds are interleaved. That all train the same is checked: the losses of the
 * first steps must agree.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { leavesOf, type StoredTensor, writeSafetensors } from "@veridraft/autodiff";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import type { JsonProcess } from "./json-process.ts";
import { median } from "./median.ts";
import { jsonOption } from "./options.ts";
import { replaceTable } from "./replace-table.ts";
import { type TrainingEngine, trainingEngines } from "./training-engines.ts";
import {
  createWorkload,
  optimizerSettings,
  type WorkloadName,
  workloadNames,
} from "./training-workloads.ts";

const names = Object.keys(workloadNames) as WorkloadName[];

export const benchTrainingOptions = z.strictObject({
  workloads: z
    .string()
    .default(names.join(","))
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(names)))
    .describe(`What is trained, separated by commas: ${names.join(", ")}.`),
  python: z
    .string()
    .min(1)
    .optional()
    .describe("Python of an environment in which `pip install torch` has run."),
  rounds: z.int().min(1).max(100).default(5).describe("Times that everything is measured."),
  readme: z
    .string()
    .min(1)
    .optional()
    .describe("File in which the table between its bench training markers is replaced."),
  json: jsonOption,
});
type Flags = z.output<typeof benchTrainingOptions>;

/** What an engine did with the better number of threads. */
interface Row {
  readonly workload: WorkloadName;
  readonly engine: string;
  readonly threads: number;
  /** Medians. */
  readonly stepsPerSecond: number;
  readonly best: number;
}

/** The rows of some workloads, and what is to be said about them. */
interface Report {
  readonly rows: Row[];
  /** How well losses agree, and why an engine has no row. */
  readonly notes: string[];
  readonly versions: Set<string>;
}

/** Steps whose losses are compared. */
const checkedSteps = 4;
/** Difference of losses, as a share of them: they are sums of float32 in other orders. */
const tolerance = 1e-4;
/** Of the turn of an engine, which is one step at least. */
const turnMs = 2000;

/** `veridraft bench training`. */
export async function benchTraining(flags: Flags): Promise<void> {
  const engines = trainingEngines(flags.python);
  const folder = await mkdtemp(join(tmpdir(), "veridraft-bench-"));
  const report: Report = { rows: [], notes: [], versions: new Set() };
  try {
    for (const workload of flags.workloads) {
      const file = join(folder, `${workload}.safetensors`);
      // oxlint-disable-next-line no-await-in-loop -- they would disturb each other
      await writeWorkload(workload, file);
      // oxlint-disable-next-line no-await-in-loop -- see above
      await measure(engines, workload, file, flags.rounds, report);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  const { rows, notes, versions } = report;
  const machine = `${cpus().length} x ${cpus()[0].model}, Node ${process.version}`;
  const about = [machine, ...versions].join("; ");
  const caption = `Steps/s, median of ${flags.rounds}, and how many times as fast ours is. ${about}.`;
  const text = [table(rows, engines), caption, notes.join("\n")].join("\n\n");
  process.stdout.write(`${flags.json ? JSON.stringify({ about, rows, notes }) : text}\n`);
  if (flags.readme !== undefined) await replaceTable(flags.readme, "bench training", text);
}

/** Writes first parameters and batches for the peers. */
async function writeWorkload(name: WorkloadName, path: string): Promise<void> {
  const { params, batches, description } = createWorkload(name);
  const tensors: Record<string, StoredTensor> = {};
  for (const [key, tensor] of leavesOf(params)) tensors[`params.${key}`] = tensor;
  for (const [i, [x, y]] of batches.entries()) {
    tensors[`batch.${i}.x`] = x;
    tensors[`batch.${i}.y`] = y;
  }
  const workload = JSON.stringify({ ...description, optimizer: optimizerSettings });
  await writeSafetensors(path, tensors, { workload });
}

/** An engine that has shown that it trains a workload. */
interface Runner {
  readonly engine: string;
  readonly threads: number;
  readonly process: JsonProcess;
  /** Of its first steps. */
  readonly losses: readonly number[];
  /** Of a turn. */
  readonly steps: number;
  readonly stepsPerSecond: number[];
}

type Answer = { readonly ms: number; readonly losses: readonly number[] };

async function measure(
  engines: readonly TrainingEngine[],
  workload: WorkloadName,
  file: string,
  rounds: number,
  report: Report,
): Promise<void> {
  const runners: Runner[] = [];
  const { threads: usual } = createWorkload(workload);
  try {
    for (const engine of engines) {
      for (const threads of engine.threads ?? usual) {
        process.stderr.write(`${workload}: ${engine.name} starts, ${threads} threads\n`);
        try {
          runners.push(await start(engine, workload, file, threads));
        } catch (error) {
          report.notes.push(`-: ${engine.name}, ${workload}: ${(error as Error).message}`);
        }
      }
    }
    report.notes.push(...compareLosses(workload, runners));
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`${workload}: round ${round + 1} of ${rounds}\n`);
      for (let i = 0; i < runners.length; i++) {
        const runner = runners[(i + round) % runners.length];
        const { ms } = await runner.process.ask<Answer>({ steps: runner.steps });
        runner.stepsPerSecond.push((1000 * runner.steps) / ms);
      }
    }
  } finally {
    for (const runner of runners) await runner.process.stop();
  }
  for (const { name } of engines) report.rows.push(...bestRow(name, workload, runners));
  for (const { process: each } of runners) {
    if (each.greeting.version !== undefined) report.versions.add(String(each.greeting.version));
  }
}

async function start(
  engine: TrainingEngine,
  workload: WorkloadName,
  file: string,
  threads: number,
): Promise<Runner> {
  const running = await engine.start(workload, file, threads);
  try {
    // The first time compiles.
    const { losses } = await running.ask<Answer>({ steps: checkedSteps });
    const { ms } = await running.ask<Answer>({ steps: checkedSteps });
    const steps = Math.max(1, Math.round((checkedSteps * turnMs) / ms));
    const { name } = engine;
    return { engine: name, threads, process: running, losses, steps, stepsPerSecond: [] };
  } catch (error) {
    await running.stop();
    throw error;
  }
}

/** How far losses are from ours; a program that trains something else makes this one fail. */
function compareLosses(workload: string, [first, ...others]: readonly Runner[]): string[] {
  const differences = others.map(({ engine, losses }) => {
    const shares = losses.map((loss, i) => Math.abs(loss / first.losses[i] - 1));
    return { engine, difference: Math.max(...shares) };
  });
  const bad = differences.filter(({ difference }) => !(difference <= tolerance));
  if (bad.length > 0) process.exitCode = 1;
  const worst = Math.max(0, ...differences.map(({ difference }) => difference));
  return [
    `${workload}: the losses of the first ${checkedSteps} steps agree within ${worst.toExponential(0)} of them`,
    ...bad.map(({ engine }) => `${workload}: THE LOSSES OF ${engine} DIFFER`),
  ];
}

function bestRow(engine: string, workload: WorkloadName, runners: readonly Runner[]): Row[] {
  return runners
    .filter((runner) => runner.engine === engine)
    .map(({ threads, stepsPerSecond: all }) => {
      return {
        workload,
        engine,
        threads,
        stepsPerSecond: median(all),
        best: Math.max(...all),
      };
    })
    .toSorted((a, b) => b.stepsPerSecond - a.stepsPerSecond)
    .slice(0, 1);
}

/** A workload a line, an engine a column. */
function table(rows: readonly Row[], engines: readonly TrainingEngine[]): string {
  const lines = names
    .map((workload) => [workload, rows.filter((row) => row.workload === workload)] as const)
    .filter(([, own]) => own.length > 0)
    .map(([workload, own]) => {
      const cells = engines.map(({ name }) => {
        const row = own.find(({ engine }) => engine === name);
        return row ? cell(row, own[0]) : "-";
      });
      return [workloadNames[workload], ...cells];
    });
  return markdownTable([["", ...engines.map(({ name }) => name)], ...lines], {
    align: ["l", ...engines.map(() => "r")],
  });
}

function cell({ engine, stepsPerSecond }: Row, ours: Row): string {
  const speed = stepsPerSecond.toPrecision(3);
  if (engine === ours.engine) return speed;
  return `${speed} (${(ours.stepsPerSecond / stepsPerSecond).toFixed(2)})`;
}
