/** `veridraft draft data`: conversations of a model with itself, as JSON lines that a cut run goes on with. */
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { LoadedModel } from "@veridraft/engine-onnx";
import { z } from "zod";
import { resumeLines } from "../json-lines.ts";
import { modelOptions } from "../options.ts";
import { loadEngines } from "./engines.ts";
import { TokenProgress } from "./progress.ts";
import { type Conversation, selfChat, tokensOf } from "./self-chat.ts";

/** Sequences that run together in an engine. */
const streams = 8;

/** The file of conversations in the folder of a draft. */
export const dataFile = "conversations.jsonl";

export const draftDataOptions = modelOptions.omit({ cacheType: true }).extend({
  out: z.string().min(1).describe("Folder of the draft."),
  tokens: z
    .int()
    .min(1)
    .max(100_000_000)
    .default(500_000)
    .describe("Tokens of answers to make, those that are there included."),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31)
    .default(0)
    .describe("Same seed, same conversations."),
  part: z
    .string()
    .regex(/^\d+\/\d+$/)
    .default("0/1")
    .transform((part) => part.split("/").map(Number))
    .refine(([part, parts]) => part < parts, { message: "the first is 0/N" })
    .describe(
      "Makes only every Nth conversation from the given one on, as 0/4; files are joined by cat.",
    ),
});
type Flags = z.output<typeof draftDataOptions>;

/** Makes conversations until there are enough tokens. */
export async function draftData(flags: Flags): Promise<void> {
  const { out, tokens, seed } = flags;
  const [part, parts] = flags.part;
  await mkdir(out, { recursive: true });
  const path = join(out, dataFile);
  const known = await readConversations(path);
  const made = new Set(known.map(({ index }) => index));
  const progress = new TokenProgress("data", tokensOf(known), tokens);
  if (progress.done) return;
  const engines = await loadEngines(flags, streams);
  const file = await open(path, "a");
  try {
    let next = part;
    const take = (): number => {
      while (made.has(next)) next += parts;
      made.add(next);
      return next;
    };
    await Promise.all(
      engines.flatMap((engine) =>
        Array.from({ length: streams }, () => converse(engine, seed, take, progress, file)),
      ),
    );
  } finally {
    await file.close();
    await Promise.all(engines.map(({ model }) => model.dispose()));
  }
}

/** One conversation after another, until there are enough. */
async function converse(
  model: LoadedModel,
  seed: number,
  take: () => number,
  progress: TokenProgress,
  file: { appendFile(line: string): Promise<void> },
): Promise<void> {
  while (!progress.done) {
    // oxlint-disable-next-line no-await-in-loop -- other streams run beside this one
    const made = await selfChat(model, seed, take());
    // oxlint-disable-next-line no-await-in-loop -- a line is whole before the next
    await file.appendFile(`${JSON.stringify(made)}\n`);
    progress.add(made.answer.length);
  }
}

const conversation = z.strictObject({
  index: z.int().min(0),
  prompt: z.array(z.int().min(0)),
  answer: z.array(z.int().min(0)),
  ended: z.enum(["stop", "length", "loop"]),
});

/**
 * The conversations of a file, in the order of their numbers; none where there is no file. A line that was cut off is taken off.
 *
 * @throws InvalidArgumentError that names the file and the line of what is no conversation.
 */
export async function readConversations(path: string): Promise<Conversation[]> {
  const found = await resumeLines(path, conversation);
  return found.toSorted((a, b) => a.index - b.index);
}
