/**
 * What each drafter does for each class of prompts on a model: tokens a forward of the target, and speed against plain decoding.
 *
 * Everything runs in one process on one engine; --servers has auto also in two others. For every prompt plain decoding and each drafter take their turn, in an order that rotates; a drafter
 * keeps what it learns from prompt to prompt, as on a server, and shares it with no other, which would tell it the answer. Time is that of decoding,
 * without the prompt.
 */
import { cpus } from "node:os";
import { type DrafterName, drafterNames, type VerifierName } from "@veridraft/spec-decoding";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { openTarget } from "./local.ts";
import { generateOptions, jsonOption, modelOptions } from "./options.ts";
import { openRemote } from "./remote.ts";
import { replaceTable } from "./replace-table.ts";
import { withServers } from "./server-process.ts";
import { speculationPrompts } from "./speculation-prompts.ts";
import {
  type DraftingRunner,
  type Generation,
  localRunner,
  type Runner,
  serverRunner,
  type Way,
} from "./speculation-runners.ts";

const classes = Object.keys(speculationPrompts);
const promptsOfClass = Math.min(...Object.values(speculationPrompts).map(({ length }) => length));

export const benchSpeculationOptions = modelOptions.extend({
  drafters: z
    .string()
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(drafterNames)))
    .optional()
    .describe("Drafters, separated by commas; absent: all that there are."),
  draftModel: generateOptions.shape.draftModel,
  draftHead: generateOptions.shape.draftHead,
  prompts: z
    .int()
    .min(1)
    .max(promptsOfClass)
    .default(promptsOfClass)
    .describe("Prompts of each class."),
  maxTokens: z.int().min(2).max(1024).default(96).describe("Most tokens of an answer."),
  temperatures: z
    .string()
    .default("0,0.8")
    .transform((text) => text.split(",").map(Number))
    .pipe(z.array(z.number().min(0)))
    .describe("Temperatures, separated by commas."),
  servers: z
    .boolean()
    .default(false)
    .describe("Measure auto also over a draft server and a verifier server."),
  readme: z
    .string()
    .min(1)
    .optional()
    .describe("File in which the table between its bench speculation markers is replaced."),
  json: jsonOption,
});
type Flags = z.output<typeof benchSpeculationOptions>;

/** Drafters whose tokens can be drawn, so that other verifiers than "match" have something to test. */
const drawing: readonly DrafterName[] = ["ngram-cache", "model"];

/** All drafters with "match", whose text is that of plain decoding; those that draw with two others, too. */
function waysOf(drafters: readonly DrafterName[], temperature: number): Way[] {
  return drafters.flatMap((drafter): Way[] => {
    const others = temperature > 0 && drawing.includes(drafter) ? ["standard", "block"] : [];
    return ["match", ...others].map((verifier) => ({
      drafter,
      verifier: verifier as VerifierName,
      servers: false,
    }));
  });
}

/** A drafter on a class of prompts. */
interface Row extends Way {
  readonly temperature: number;
  readonly class: string;
  readonly tokensPerForward: number;
  /** Tokens/s as a multiple of plain decoding. */
  readonly speedup: number;
  /** Prompts whose text is not that of plain decoding, as it must be with "match". */
  readonly differing: number;
}

/** Sums over the prompts of a class. */
interface Sums {
  tokens: number;
  rounds: number;
  seconds: number;
  differing: number;
}

/** `veridraft bench speculation`. */
export async function benchSpeculation(flags: Flags): Promise<void> {
  const named = (name: DrafterName): boolean => flags.drafters?.includes(name) === true;
  const drafter = (["model", "head"] as const).find(named) ?? "auto";
  const loaded = await openTarget({ ...flags, drafter });
  const drafters = flags.drafters ?? loaded.createDrafters().offered;
  try {
    const rows: Row[] = [];
    for (const temperature of flags.temperatures) {
      const generation = { sampling: { temperature, topP: 0.95 }, maxTokens: flags.maxTokens };
      const plain = localRunner(loaded, null, generation);
      const local = waysOf(drafters, temperature).map((way) => ({
        way,
        ...localRunner(loaded, way, generation),
      }));
      const run = (...served: DraftingRunner[]): Promise<Row[]> =>
        measure(plain, [...local, ...served], temperature, flags.prompts);
      // Servers start anew for each temperature, as texts of another would tell them the answer.
      const found = flags.servers
        ? withServers(flags, (_draft, { address }) => overServers(address, generation, run))
        : run();
      rows.push(...(await found));
    }
    const about = `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, ${loaded.target.name}, ${loaded.target.weights}; ${flags.prompts} prompts a class, at most ${flags.maxTokens} tokens`;
    const report = `${table(rows)}\n\nSpeed against plain decoding (tokens a forward). ${about}.`;
    process.stdout.write(`${flags.json ? JSON.stringify({ about, rows }) : report}\n`);
    if (flags.readme !== undefined) await replaceTable(flags.readme, "bench speculation", report);
  } finally {
    await loaded.dispose();
  }
}

/** Runs a task with a runner that asks a verifier server. */
async function overServers<T>(
  address: string,
  generation: Generation,
  task: (served: DraftingRunner) => Promise<T>,
): Promise<T> {
  const generator = openRemote(address);
  try {
    return await task(serverRunner(generator, generation));
  } finally {
    await generator.dispose();
  }
}

async function measure(
  plain: Runner,
  drafting: readonly DraftingRunner[],
  temperature: number,
  prompts: number,
): Promise<Row[]> {
  const runners: readonly Runner[] = [plain, ...drafting];
  const sums = new Map<string, Sums>();
  const sumOf = (kind: string, runner: Runner): Sums => {
    const key = `${kind} ${runners.indexOf(runner)}`;
    const found = sums.get(key) ?? { tokens: 0, rounds: 0, seconds: 0, differing: 0 };
    sums.set(key, found);
    return found;
  };
  for (const runner of runners) await runner.answer("Say hello.", 0);
  for (let i = 0; i < prompts; i++) {
    for (const kind of classes) {
      process.stderr.write(`temperature ${temperature}, ${kind}: prompt ${i + 1} of ${prompts}\n`);
      const texts = new Map<Runner, string>();
      for (let turn = 0; turn < runners.length; turn++) {
        const runner = runners[(turn + i) % runners.length];
        const answer = await runner.answer(speculationPrompts[kind][i], i);
        const { ids, rounds, tokensPerSecond } = answer;
        texts.set(runner, ids.join());
        const sum = sumOf(kind, runner);
        // The first token comes with the prompt.
        if (ids.length < 2) continue;
        sum.tokens += ids.length - 1;
        sum.rounds += rounds;
        sum.seconds += (ids.length - 1) / tokensPerSecond;
      }
      for (const runner of drafting) {
        const differs = texts.get(runner) !== texts.get(plain);
        if (differs && runner.way.verifier === "match") sumOf(kind, runner).differing++;
      }
    }
  }
  return classes.flatMap((kind) => {
    const base = sumOf(kind, plain);
    return drafting.map((runner) => {
      const own = sumOf(kind, runner);
      return {
        ...runner.way,
        temperature,
        class: kind,
        tokensPerForward: own.tokens / own.rounds,
        speedup: own.tokens / own.seconds / (base.tokens / base.seconds),
        differing: own.differing,
      };
    });
  });
}

/** A temperature, drafter and verifier a line, a class a column. */
function table(rows: readonly Row[]): string {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const { temperature, drafter, verifier, servers } = row;
    const where = servers ? `${drafter} over gRPC` : drafter;
    const name = [`T = ${temperature}`, where, verifier].join("|");
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const lines = [...groups].map(([name, own]) => {
    const mean = Math.exp(own.reduce((sum, row) => sum + Math.log(row.speedup), 0) / own.length);
    return [...name.split("|"), ...own.map(cell), mean.toFixed(2)];
  });
  const header = ["", "drafter", "verifier", ...classes, "geometric mean"];
  return markdownTable([header, ...lines], {
    align: ["l", "l", "l", ...classes.map(() => "r"), "r"],
  });
}

function cell({ speedup, tokensPerForward, differing }: Row): string {
  const differs = differing > 0 ? `, ${differing} TEXTS DIFFER` : "";
  return `${speedup.toFixed(2)} (${tokensPerForward.toFixed(2)}${differs})`;
}
