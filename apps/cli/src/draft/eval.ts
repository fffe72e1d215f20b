/** `veridraft draft eval`: what a head is worth in the loop, on prompts that it was not trained on. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRng, InvalidArgumentError, type Sampling } from "@veridraft/core-probs";
import { loadHead } from "@veridraft/draft-server";
import { loadModel } from "@veridraft/engine-onnx";
import { createDraftHead, generateText, type Statistics } from "@veridraft/spec-decoding";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { finish } from "../finish.ts";
import { jsonOption, modelOptions } from "../options.ts";
import { speculationPrompts } from "../speculation-prompts.ts";
import { draftDataOptions } from "./data.ts";
import { headFile, manifestFile, rounded } from "./fit.ts";

/** Tokens a round: as many positions are measured. */
const depth = 3;

export const draftEvalOptions = modelOptions.omit({ cacheType: true }).extend({
  out: draftDataOptions.shape.out,
  prompts: z.int().min(1).max(8).default(8).describe("Prompts of each class."),
  maxTokens: z.int().min(2).max(1024).default(96).describe("Most tokens of an answer."),
  json: jsonOption,
});
type Flags = z.output<typeof draftEvalOptions>;

/** How a head did on a class of prompts. */
export interface HeadReport {
  readonly class: string;
  readonly temperature: number;
  /** How often the token at each position was accepted, where those before it were. */
  readonly acceptance: readonly number[];
  /** Tokens of text a forward of the target, with drafts of 1, 2 and 3 tokens. */
  readonly tokensPerForward: readonly number[];
}

/** Generates with the head, reports what was accepted, and adds it to the manifest. */
export async function draftEval(flags: Flags): Promise<void> {
  const path = join(flags.out, manifestFile);
  const manifest = await readManifest(path);
  const reports = await evaluateHead(flags);
  await writeFile(path, `${JSON.stringify({ ...manifest, evaluation: reports })}\n`);
  process.stdout.write(flags.json ? `${JSON.stringify(reports)}\n` : `${table(reports)}\n`);
}

async function readManifest(path: string): Promise<object> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new InvalidArgumentError(
      `draft eval: ${path} is not the manifest of a trained head; run draft fit`,
      { cause },
    );
  }
}

/** The reports of all classes, and of all together, greedy and at temperature 0.8. */
async function evaluateHead(
  flags: Pick<Flags, "out" | "model" | "weights" | "device" | "prompts" | "maxTokens">,
): Promise<HeadReport[]> {
  const { model, weights, device, prompts, maxTokens } = flags;
  const [target, head] = await Promise.all([
    loadModel(model, { weights, device }),
    loadHead(join(flags.out, headFile), model, "head"),
  ]);
  try {
    const reports: HeadReport[] = [];
    for (const temperature of [0, 0.8]) {
      const sampling: Partial<Sampling> = { temperature, topP: 0.95 };
      const all: Statistics[] = [];
      for (const [name, contents] of Object.entries(speculationPrompts)) {
        process.stderr.write(`eval: temperature ${temperature}, ${name}\n`);
        const own: Statistics[] = [];
        for (const [i, content] of contents.slice(0, prompts).entries()) {
          const steps = generateText(target, [{ role: "user", content }], {
            key: createRng(i),
            maxTokens,
            sampling,
            // Every position counts, however sure the head is.
            drafter: head && createDraftHead(head, { sampling, least: 0 }),
            numSpeculativeTokens: depth,
          });
          // oxlint-disable-next-line no-await-in-loop -- one generation at a time
          own.push((await finish(steps)).statistics);
        }
        all.push(...own);
        reports.push({ class: name, temperature, ...summaryOf(own) });
      }
      reports.push({ class: "all", temperature, ...summaryOf(all) });
    }
    return reports;
  } finally {
    await head?.dispose();
    await target.model.dispose();
  }
}

function summaryOf(
  statistics: readonly Statistics[],
): Pick<HeadReport, "acceptance" | "tokensPerForward"> {
  const total = (of: (each: Statistics) => number): number =>
    statistics.reduce((sum, each) => sum + of(each), 0);
  const rounds = total((each) => each.rounds);
  const reached = Array.from({ length: depth }, (_, d) => total((each) => each.acceptedAt[d] ?? 0));
  let sum = 1;
  return {
    acceptance: reached.map((count, d) => rounded(count / (d === 0 ? rounds : reached[d - 1]))),
    tokensPerForward: reached.map((count) => rounded((sum += count / rounds))),
  };
}

function table(reports: readonly HeadReport[]): string {
  const header = ["", "class", "a1", "a2", "a3", "K = 1", "K = 2", "K = 3"];
  const lines = reports.map(({ temperature, class: name, acceptance, tokensPerForward }) => [
    `T = ${temperature}`,
    name,
    ...[...acceptance, ...tokensPerForward].map((value) => value.toFixed(2)),
  ]);
  return markdownTable([header, ...lines], { align: ["l", "l", "r", "r", "r", "r", "r", "r"] });
}
