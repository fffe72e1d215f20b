/** Loads what the settings name and serves it. */
import { InvalidArgumentError, ModelFileError } from "@veridraft/core-probs";
import {
  type LoadedModel,
  loadModel,
  type LoadOptions,
  loadTokenizer,
  readModelSource,
} from "@veridraft/engine-onnx";
import type { Tokenizer } from "@veridraft/tokenization";
import type { DrafterName } from "@veridraft/spec-decoding";
import type { DraftServerConfig } from "./config.ts";
import { Drafters } from "./drafters.ts";
import { draftService } from "./service.ts";
import { type RunningService, type ServeOptions, startService } from "./start-service.ts";

/** A draft server that runs. */
export interface DraftServer extends RunningService {
  /** The drafters it offers, its default first. */
  readonly drafters: readonly DrafterName[];
}

/**
 * Starts a draft server; resolves when it can draft.
 *
 * @throws InvalidArgumentError where the draft model has another tokenizer than the target.
 */
export async function serveDraft(
  config: DraftServerConfig,
  { log }: ServeOptions = {},
): Promise<DraftServer> {
  const { name, readTokenizer, contextLength } = await readModelSource(config.model);
  if (contextLength === null) {
    throw new ModelFileError(`serveDraft: ${config.model} does not say its context length`);
  }
  const tokenizer = readTokenizer();
  const { vocabSize, sha256: tokenizerSha256 } = tokenizer;

  const { draftModel, weights, device, threads, spinning, drafter, storeTokens } = config;
  const draft =
    draftModel === undefined
      ? null
      : await loadDraftModel(draftModel, tokenizer, { weights, device, threads, spinning });
  const drafters = new Drafters({
    preferred: drafter,
    vocabSize,
    storeTokens,
    draftModel: draft?.model ?? null,
  });
  const info = {
    name,
    vocabSize,
    contextLength,
    tokenizerSha256,
    weights: draft?.weights ?? "",
    exact: draft?.exact ?? false,
    engine: "",
  };
  const service = draftService({ info, drafters, vocabSize, contextLength, tokenizerSha256 });
  const running = await startService(service, config, async () => draft?.model.dispose(), log);
  return { ...running, drafters: drafters.offered };
}

/** Loads a draft model. @throws InvalidArgumentError, before it is loaded, where it has another tokenizer than the target. */
export async function loadDraftModel(
  path: string,
  target: Tokenizer,
  options: LoadOptions,
): Promise<LoadedModel> {
  const { sha256 } = await loadTokenizer(path);
  if (sha256 !== target.sha256) {
    throw new InvalidArgumentError(
      `the tokenizers differ: the draft model's is ${sha256}, the target's is ${target.sha256}`,
    );
  }
  return loadModel(path, options);
}
