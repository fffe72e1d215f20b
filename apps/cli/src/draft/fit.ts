/** `veridraft draft fit`: trains a draft head on the conversations of a folder. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { leavesOf, type Params } from "@veridraft/autodiff";
import { InvalidArgumentError } from "@veridraft/core-probs";
import {
  createGraphRunner,
  fileSha256,
  readTokenTables,
  writeDraftHead,
} from "@veridraft/engine-onnx";
import { type DraftKind, draftKinds } from "@veridraft/spec-decoding/training";
import { z } from "zod";
import { modelOptions } from "../options.ts";
import { dataFile, draftDataOptions, readConversations } from "./data.ts";
import { Features, writeFeatures } from "./features.ts";
import { type Conversation, tokensOf } from "./self-chat.ts";
import { trainKind } from "./train-kind.ts";
import { TrainingSet } from "./training-set.ts";

/** The head in the folder of a draft. */
export const headFile = "head.safetensors";
/** How it was made, the time that it took included. */
export const manifestFile = "manifest.json";

/** Anchors of the largest unit of all kinds; the units of the others divide it. */
const longestWindow = Math.max(...Object.values(draftKinds).map(({ window }) => window));

export const draftFitOptions = modelOptions.omit({ cacheType: true }).extend({
  out: draftDataOptions.shape.out,
  tokens: draftDataOptions.shape.tokens.describe("Tokens of answers to learn from."),
  seed: draftDataOptions.shape.seed.describe("Of the first parameters and of the order."),
  epochs: z
    .number()
    .min(0.01)
    .max(100)
    .default(3)
    .describe("How often each token is learned from."),
  vocabulary: z
    .int()
    .min(1)
    .default(8192)
    .describe("Tokens that the draft can say: those that the model likes most."),
  hidden: z.int().min(64).multipleOf(64).default(1536).describe("Width of the feed-forward layer."),
  kind: z
    .enum(Object.keys(draftKinds) as [keyof typeof draftKinds])
    .default("recurrent")
    .describe("What to train; all but recurrent are for comparison and make no file."),
  batch: z
    .int()
    .min(longestWindow)
    .max(65_536)
    .multipleOf(longestWindow)
    .default(1024)
    .describe("Tokens of a step."),
});
type Flags = z.output<typeof draftFitOptions>;

/**
 * Trains, rounds and writes the head; what an earlier run did is gone on from.
 *
 * @returns Whether there is a head: it was not interrupted, and is of the kind that is served.
 */
export async function draftFit(flags: Flags): Promise<boolean> {
  const { out, model, kind, hidden, epochs, batch, seed } = flags;
  await mkdir(out, { recursive: true });
  const conversations = await wantedConversations(flags);
  await writeFeatures(out, conversations, flags);
  const started = performance.now();
  const features = await Features.open(out, conversations.length);
  try {
    const tables = await readTokenTables(model);
    const set = await TrainingSet.of(features, tables.embedding, flags.vocabulary);
    const runner = createGraphRunner({ device: flags.device });
    const folder = join(out, `training-${kind}`);
    const setup = { runner, set, tables, hidden, epochs, batch, seed, folder };
    const trained = await trainKind(draftKinds[kind] as DraftKind<Params, unknown>, setup);
    if (!trained) {
      process.stderr.write("fit: stopped; run it again to go on\n");
      process.exitCode = 130;
      return false;
    }
    const manifest = {
      kind,
      conversations: conversations.length,
      tokens: tokensOf(conversations),
      epochs,
      steps: trained.steps,
      batch,
      seed,
      vocabulary: set.ids.length,
      hidden,
      devAccuracy: trained.accuracy.map(rounded),
    };
    // The minutes would make every head another file.
    const minutes = Math.round((performance.now() - started) / 6000) / 10;
    const text = JSON.stringify({ ...manifest, minutes });
    process.stdout.write(`${text}\n`);
    if (kind !== "recurrent") return false;
    await writeDraftHead(join(out, headFile), {
      params: leavesOf(trained.params),
      ids: set.ids,
      targetSha256: await fileSha256(model),
      manifest,
    });
    await writeFile(join(out, manifestFile), `${text}\n`);
    return true;
  } finally {
    await features.close();
  }
}

/** A share as manifests have it. */
export function rounded(share: number): number {
  return Number(share.toFixed(4));
}

/** The first conversations, by their numbers, that have the tokens. @throws InvalidArgumentError where there are too few. */
async function wantedConversations({ out, tokens }: Flags): Promise<readonly Conversation[]> {
  const all = await readConversations(join(out, dataFile));
  let sum = 0;
  const count = all.findIndex(({ answer }) => (sum += answer.length) >= tokens);
  if (count < 0) {
    throw new InvalidArgumentError(
      `draft fit: ${join(out, dataFile)} has ${sum} tokens of answers, ${tokens} are wanted; run draft data, or ask for less with --tokens`,
    );
  }
  return all.slice(0, count + 1);
}
