/**
 * What each drafter does for each class of prompts on a model: tokens a forward of the target, and speed against plain decoding.
 *
 * Everything runs in one process on one engine. For every prompt plain decoding and each drafter take their turn, in an order that rotates; a drafter
 * keeps what it learns from prompt to prompt, as on a server, and shares it with no other, which would tell it the answer. Time is that of decoding,
 * without the prompt.
 */
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { createRng, type Sampling } from "@veridraft/core-probs";
import type { Drafters } from "@veridraft/draft-server";
import {
  type DrafterName,
  drafterNames,
  generateText,
  type TextSummary,
} from "@veridraft/spec-decoding";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { openTarget, type Target } from "./local.ts";
import { generateOptions, jsonOption, modelOptions } from "./options.ts";
import { speculationPrompts } from "./speculation-prompts.ts";

const classes = Object.keys(speculationPrompts);
const promptsOfClass = Math.min(...Object.values(speculationPrompts).map(({ length }) => length));

export const benchSpeculationOptions = modelOptions.extend({
  drafters: z
    .string()
    .default(drafterNames.filter((name) => name !== "model").join(","))
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(drafterNames)))
    .describe("Drafters, separated by commas."),
  draftModel: generateOptions.shape.draftModel,
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

/** A drafter on a class of prompts. */
interface Row {
  readonly temperature: number;
  readonly class: string;
  readonly drafter: DrafterName;
  readonly tokensPerForward: number;
  /** Tokens/s as a multiple of plain decoding. */
  readonly speedup: number;
  /** Prompts whose text is not that of plain decoding. */
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
  const loaded = await openTarget({
    ...flags,
    drafter: flags.drafters.includes("model") ? "model" : "suffix",
  });
  try {
    const rows: Row[] = [];
    for (const temperature of flags.temperatures) {
      rows.push(...(await measure(loaded, { temperature, topP: 0.95 }, flags)));
    }
    const about = `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, ${loaded.target.name}, ${loaded.target.weights}; ${flags.prompts} prompts a class, at most ${flags.maxTokens} tokens`;
    const report = `${table(rows, flags)}\n\nSpeed against plain decoding (tokens a forward). ${about}.`;
    process.stdout.write(`${flags.json ? JSON.stringify({ about, rows }) : report}\n`);
    if (flags.readme !== undefined) await replaceTable(flags.readme, report);
  } finally {
    await loaded.dispose();
  }
}

async function measure(
  { target, createDrafters }: Target,
  sampling: Partial<Sampling>,
  flags: Flags,
): Promise<Row[]> {
  const names = ["none", ...flags.drafters] as const;
  const drafters = new Map(flags.drafters.map((name) => [name, createDrafters()]));
  const sums = new Map<string, Sums>();
  const sumOf = (kind: string, name: string): Sums => {
    const key = `${kind} ${name}`;
    const found = sums.get(key) ?? { tokens: 0, rounds: 0, seconds: 0, differing: 0 };
    sums.set(key, found);
    return found;
  };
  const answer = async (name: (typeof names)[number], content: string, seed: number) =>
    finish(
      generateText(target, [{ role: "user", content }], {
        key: createRng(seed),
        maxTokens: flags.maxTokens,
        sampling,
        drafter:
          name === "none"
            ? null
            : await (drafters.get(name) as Drafters).create(name, { sampling, coupling: "seeded" }),
        branching: target.exactTrees,
        costs: target.costs,
      }),
    );
  for (const name of names) await answer(name, "Say hello.", 0);
  for (let i = 0; i < flags.prompts; i++) {
    for (const kind of classes) {
      process.stderr.write(
        `temperature ${sampling.temperature}, ${kind}: prompt ${i + 1} of ${flags.prompts}\n`,
      );
      const texts = new Map<string, string>();
      for (let turn = 0; turn < names.length; turn++) {
        const name = names[(turn + i) % names.length];
        const content = speculationPrompts[kind][i];
        const { ids, statistics, tokensPerSecond } = await answer(name, content, i);
        texts.set(name, ids.join());
        const sum = sumOf(kind, name);
        // The first token comes with the prompt.
        if (ids.length < 2) continue;
        sum.tokens += ids.length - 1;
        sum.rounds += statistics.rounds;
        sum.seconds += (ids.length - 1) / tokensPerSecond;
      }
      for (const name of flags.drafters) {
        if (texts.get(name) !== texts.get("none")) sumOf(kind, name).differing++;
      }
    }
  }
  return classes.flatMap((kind) => {
    const plain = sumOf(kind, "none");
    return flags.drafters.map((drafter) => {
      const own = sumOf(kind, drafter);
      return {
        temperature: sampling.temperature ?? 0,
        class: kind,
        drafter,
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

/** A temperature and drafter a line, a class a column. */
function table(rows: readonly Row[], { temperatures, drafters }: Flags): string {
  const lines = temperatures.flatMap((temperature) =>
    drafters.map((drafter) => {
      const own = rows.filter((row) => row.temperature === temperature && row.drafter === drafter);
      const mean = Math.exp(own.reduce((sum, row) => sum + Math.log(row.speedup), 0) / own.length);
      return [`${drafter}, T = ${temperature}`, ...own.map(cell), mean.toFixed(2)];
    }),
  );
  return markdownTable([["", ...classes, "geometric mean"], ...lines], {
    align: ["l", ...classes.map(() => "r"), "r"],
  });
}

function cell({ speedup, tokensPerForward, differing }: Row): string {
  const differs = differing > 0 ? `, ${differing} TEXTS DIFFER` : "";
  return `${speedup.toFixed(2)} (${tokensPerForward.toFixed(2)}${differs})`;
}

const markers = ["<!-- bench speculation -->", "<!-- /bench speculation -->"] as const;

async function replaceTable(file: string, report: string): Promise<void> {
  const content = await readFile(file, "utf8");
  const [start, end] = markers.map((marker) => content.indexOf(marker));
  if (start < 0 || end < start) {
    throw new Error(`${file} has no ${markers[0]} before a ${markers[1]}`);
  }
  const before = content.slice(0, start + markers[0].length);
  await writeFile(file, `${before}\n\n${report}\n\n${content.slice(end)}`);
}
