import { readFile } from "node:fs/promises";
import { createRng, InvalidArgumentError } from "@veridraft/core-probs";
import { Drafters, loadDraftModel, loadHead } from "@veridraft/draft-server";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import {
  Calibration,
  createFirstOf,
  createReferenceText,
  createVerifier,
  type Drafter,
  encodePrompt,
  generateText,
  type TokenLogProb,
} from "@veridraft/spec-decoding";
import { finish } from "./finish.ts";
import type { Generator } from "./generator.ts";
import { alternatives, type GenerateFlags, samplingOf } from "./options.ts";

const warn = (message: string): void => void process.stderr.write(`veridraft: ${message}\n`);

/** A target, and what drafts for it. */
export interface Target {
  readonly target: LoadedModel;
  /** New ones, which keep what they learn from one generation to the next. */
  createDrafters(): Drafters;
  dispose(): Promise<void>;
}

/** Loads the target, and the draft model where one is asked for. */
export async function openTarget(
  flags: Pick<
    GenerateFlags,
    "model" | "weights" | "device" | "cacheType" | "drafter" | "draftModel" | "draftHead"
  >,
): Promise<Target> {
  const { model: path, weights, device, cacheType, drafter } = flags;
  const draftModel = ["auto", "model"].includes(drafter) ? flags.draftModel : undefined;
  if (drafter === "model" && draftModel === undefined) {
    throw new InvalidArgumentError("--drafter model needs --draft-model FILE");
  }
  // Only the CPU's graphs give the hidden states that a head begins with.
  const heads =
    drafter === "head" || (drafter === "auto" && draftModel === undefined && device === "cpu");
  const [target, head] = await Promise.all([
    loadModel(path, { weights, device, cacheType }),
    heads ? loadHead(flags.draftHead, path, drafter) : null,
  ]);
  const { model, tokenizer } = target;
  const draft =
    draftModel === undefined
      ? null
      : await loadDraftModel(draftModel, tokenizer, { threads: 1, spinning: false }).catch(
          async (error: unknown) => {
            await model.dispose();
            throw error;
          },
        );
  return {
    target,
    createDrafters: () =>
      new Drafters({
        preferred: "auto",
        vocabSize: model.vocabSize,
        draftModel: draft?.model ?? null,
        head,
        warn,
      }),
    async dispose() {
      await head?.dispose();
      await draft?.model.dispose();
      await model.dispose();
    },
  };
}

/** Generates in this process. */
export async function openLocal(flags: GenerateFlags): Promise<Generator> {
  const { target, createDrafters, dispose } = await openTarget(flags);
  const { model, tokenizer, exactTrees, costs } = target;
  const drafters = createDrafters();
  const calibrations = new Map<string, Calibration>();
  const calibrationOf = (name: string): Calibration => {
    const found = calibrations.get(name) ?? new Calibration();
    calibrations.set(name, found);
    return found;
  };
  const createDrafter = async (each: GenerateFlags): Promise<Drafter | null> => {
    const { drafter: name, coupling, prediction } = each;
    const reference =
      prediction === undefined
        ? []
        : [createReferenceText(tokenizer.encode(await readFile(prediction, "utf8")))];
    const { promptLookup, suffixDecoding } = each.speculativeConfig ?? {};
    const lookups = { promptLookup, suffixDecoding };
    const generation = { sampling: samplingOf(each), coupling, ...lookups };
    const others = name === "none" ? [] : [await drafters.create(name, generation)];
    const all = [...reference, ...others];
    // The prediction drafts wherever it has a place, however short the match.
    return all.length > 1 ? createFirstOf(all, 0, warn) : (all[0] ?? null);
  };
  return {
    async generate({ prompt, flags: each, seed, onText, signal }) {
      const { coupling, maxTokens, stop, numSpeculativeTokens } = each;
      const { schedule, maxTreeNodes, confidenceThreshold, verification, lantern } = each;
      if (each.learnPrompt && each.drafter !== "none") {
        await drafters.learn(each.drafter, model, encodePrompt(target, prompt), signal);
      }
      const steps = generateText(target, prompt, {
        key: createRng(seed),
        maxTokens,
        sampling: samplingOf(each),
        stop,
        drafter: await createDrafter(each),
        calibration: calibrationOf(each.drafter),
        coupling,
        branching: exactTrees,
        costs,
        numSpeculativeTokens,
        schedule,
        maxTreeNodes,
        confidenceThreshold,
        verifier: createVerifier(verification, lantern),
        logProbs: alternatives(each),
        signal,
      });
      const logProbs: TokenLogProb[] = [];
      const { text, ids, finishReason, promptTokens, tokensPerSecond, statistics } = await finish(
        steps,
        (step) => {
          logProbs.push(...(step.logProbs ?? []));
          onText(step.text);
        },
      );
      const usage = { promptTokens, completionTokens: ids.length };
      const { rounds, proposed, accepted, meanAcceptanceLength } = statistics;
      const counts = { rounds, proposed, accepted, meanAcceptanceLength };
      const { drafter, lossless } = statistics;
      const stats = { ...counts, drafter, lossless, tokensPerSecond };
      return { text, ids, logProbs, finishReason, usage, stats };
    },
    pieces: async (ids) => ids.map((id) => tokenizer.piece(id)),
    dispose,
  };
}
