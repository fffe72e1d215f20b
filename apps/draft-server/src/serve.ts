/** Loads what the settings name and serves it. */
import { ModelFileError } from "@veridraft/core-probs";
import { readModelSource } from "@veridraft/engine-onnx";
import type { DrafterName } from "@veridraft/spec-decoding";
import type { DraftServerConfig } from "./config.ts";
import { Drafters } from "./drafters.ts";
import { loadDraftModel } from "./load-draft-model.ts";
import { loadHead } from "./load-head.ts";
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
 * @throws InvalidArgumentError where the draft model's tokenizer has no token of the target's.
 */
export async function serveDraft(
  config: DraftServerConfig,
  { log, warn }: ServeOptions = {},
): Promise<DraftServer> {
  const { name, readTokenizer, contextLength } = await readModelSource(config.model);
  if (contextLength === null) {
    throw new ModelFileError(`serveDraft: ${config.model} does not say its context length`);
  }
  const tokenizer = readTokenizer();
  const { vocabSize, sha256: tokenizerSha256 } = tokenizer;

  const { draftModel, weights, device, threads, spinning, drafter, storeTokens } = config;
  const head =
    draftModel === undefined ? await loadHead(config.draftHead, config.model, drafter) : null;
  const draft =
    draftModel === undefined
      ? null
      : await loadDraftModel(draftModel, tokenizer, { weights, device, threads, spinning });
  const drafters = new Drafters({
    preferred: drafter,
    vocabSize,
    storeTokens,
    draftModel: draft?.model ?? null,
    head,
    ...(warn && { warn }),
  });
  const info = {
    name,
    vocabSize,
    contextLength,
    tokenizerSha256,
    weights: draft?.weights ?? "",
    exact: draft?.exact ?? false,
    engine: "",
    sha256: head?.targetSha256 ?? "",
  };
  const dispose = async (): Promise<void> => {
    await draft?.model.dispose();
    await head?.dispose();
  };
  const service = draftService({ info, drafters, vocabSize, contextLength, tokenizerSha256 });
  const running = await startService(service, config, dispose, log);
  return { ...running, drafters: drafters.offered };
}
