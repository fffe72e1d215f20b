/**
 * What each drafter does for each class of prompts on a model: tokens a forward of the target, and speed against plain decoding.
 *
 * Everything runs in one process on one engine. For every prompt plain decoding and each drafter take their turn, in an order that rotates; a drafter
 * keeps what it learns from prompt to prompt, as on a server, and shares it with no other, which would tell it the answer. Time is that of decoding,
 * without the prompt.
 */
import { cpus } from "node:os";
import { createRng, type Sampling } from "@veridraft/core-probs";
import type { Drafters } from "@veridraft/draft-server";
import {
  Calibration,
  type DrafterName,
  drafterNames,
  generateText,
  type TextSummary,
  type VerifierName,
} from "@veridraft/spec-decoding";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { openTarget, type Target } from "./local.ts";
import { generateOptions, jsonOption, modelOptions } from "./options.ts";
import { replaceTable } from "./replace-table.ts";
import { speculationPrompts } from "./speculation-prompts.ts";

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
  readme: z
    .string()
    .min(1)
    .optional()
    .describe("File in which the table between its bench speculation markers is replaced."),
  json: jsonOption,
});
type Flags = z.output<typeof benchSpeculationOptions>;

/** A drafter, and what verifies its drafts. */
interface Way {
  readonly drafter: DrafterName;
  readonly verifier: VerifierName;
}

/** Drafters whose tokens can be drawn, so that other verifiers than "match" have something to test. */
const drawing: readonly DrafterName[] = ["ngram-cache", "model"];

/** All drafters with "match", whose text is that of plain decoding; those that draw with two others, too. */
function waysOf(drafters: readonly DrafterName[], temperature: number): Way[] {
  return drafters.flatMap((drafter): Way[] => {
    const others = temperature > 0 && drawing.includes(drafter) ? ["standard", "block"] : [];
    return ["match", ...others].map((verifier) => ({
      drafter,
      verifier: verifier as VerifierName,
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

/** A way, and what it keeps from prompt to prompt. */
interface Runner {
  readonly way: Way;
  readonly drafters: Drafters;
  readonly calibration: Calibration;
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
      rows.push(...(await measure(loaded, drafters, { temperature, topP: 0.95 }, flags)));
    }
    const about = `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, ${loaded.target.name}, ${loaded.target.weights}; ${flags.prompts} prompts a class, at most ${flags.maxTokens} tokens`;
    const report = `${table(rows, drafters, flags)}\n\nSpeed against plain decoding (tokens a forward). ${about}.`;
    process.stdout.write(`${flags.json ? JSON.stringify({ about, rows }) : report}\n`);
    if (flags.readme !== undefined) await replaceTable(flags.readme, "bench speculation", report);
  } finally {
    await loaded.dispose();
  }
}

async function measure(
  { target, createDrafters }: Target,
  drafters: readonly DrafterName[],
  sampling: Partial<Sampling>,
  flags: Flags,
): Promise<Row[]> {
  const { temperature = 0 } = sampling;
  const runners = waysOf(drafters, temperature).map((way): Runner => ({
    way,
    drafters: createDrafters(),
    calibration: new Calibration(),
  }));
  /** Null decodes plainly. */
  const all = [null, ...runners];
  const sums = new Map<string, Sums>();
  const sumOf = (kind: string, runner: Runner | null): Sums => {
    const key = `${kind} ${all.indexOf(runner)}`;
    const found = sums.get(key) ?? { tokens: 0, rounds: 0, seconds: 0, differing: 0 };
    sums.set(key, found);
    return found;
  };
  const drafting = async ({ way: { drafter, verifier }, ...own }: Runner) => {
    const coupling = verifier === "match" ? "seeded" : "optimal";
    const drafted = await own.drafters.create(drafter, { sampling, coupling });
    return { drafter: drafted, calibration: own.calibration, coupling, verifier } as const;
  };
  const answer = async (runner: Runner | null, content: string, seed: number) =>
    finish(
      generateText(target, [{ role: "user", content }], {
        key: createRng(seed),
        maxTokens: flags.maxTokens,
        sampling,
        ...(runner && (await drafting(runner))),
        branching: target.exactTrees,
        costs: target.costs,
      }),
    );
  for (const runner of all) await answer(runner, "Say hello.", 0);
  for (let i = 0; i < flags.prompts; i++) {
    for (const kind of classes) {
      process.stderr.write(
        `temperature ${temperature}, ${kind}: prompt ${i + 1} of ${flags.prompts}\n`,
      );
      const texts = new Map<Runner | null, string>();
      for (let turn = 0; turn < all.length; turn++) {
        const runner = all[(turn + i) % all.length];
        const content = speculationPrompts[kind][i];
        const { ids, statistics, tokensPerSecond } = await answer(runner, content, i);
        texts.set(runner, ids.join());
        const sum = sumOf(kind, runner);
        // The first token comes with the prompt.
        if (ids.length < 2) continue;
        sum.tokens += ids.length - 1;
        sum.rounds += statistics.rounds;
        sum.seconds += (ids.length - 1) / tokensPerSecond;
      }
      for (const runner of runners) {
        const differs = texts.get(runner) !== texts.get(null);
        if (differs && runner.way.verifier === "match") sumOf(kind, runner).differing++;
      }
    }
  }
  return classes.flatMap((kind) => {
    const plain = sumOf(kind, null);
    return runners.map((runner) => {
      const own = sumOf(kind, runner);
      return {
        ...runner.way,
        temperature,
        class: kind,
        tokensPerForward: own.tokens / own.rounds,
        speedup: own.tokens / own.seconds / (plain.tokens / plain.seconds),
        differing: own.differing,
      };
    });
  });
}

async function finish(steps: AsyncGenerator<unknown, TextSummary>): Promise<TextSummary> {
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
  }
}

/** A temperature, drafter and verifier a line, a class a column. */
function table(
  rows: readonly Row[],
  drafters: readonly DrafterName[],
  { temperatures }: Flags,
): string {
  const lines = temperatures.flatMap((temperature) =>
    waysOf(drafters, temperature).map((way) => {
      const own = rows.filter(
        (row) =>
          row.temperature === temperature &&
          row.drafter === way.drafter &&
          row.verifier === way.verifier,
      );
      const mean = Math.exp(own.reduce((sum, row) => sum + Math.log(row.speedup), 0) / own.length);
      const name = [`T = ${temperature}`, way.drafter, way.verifier];
      return [...name, ...own.map(cell), mean.toFixed(2)];
    }),
  );
  const header = ["", "drafter", "verifier", ...classes, "geometric mean"];
  return markdownTable([header, ...lines], {
    align: ["l", "l", "l", ...classes.map(() => "r"), "r"],
  });
}

function cell({ speedup, tokensPerForward, differing }: Row): string {
  const differs = differing > 0 ? `, ${differing} TEXTS DIFFER` : "";
  return `${speedup.toFixed(2)} (${tokensPerForward.toFixed(2)}${differs})`;
}
