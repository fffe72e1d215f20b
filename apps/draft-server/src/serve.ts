/** Loads what the settings name and serves it. */
import { InvalidArgumentError, ModelFileError } from "@veridraft/core-probs";
import { loadModel, readGguf } from "@veridraft/engine-onnx";
import type { CallLog } from "@veridraft/rpc/server";
import { startServer } from "@veridraft/rpc/server";
import { tokenizerFromGguf } from "@veridraft/tokenization";
import type { DraftServerConfig, DrafterName } from "./config.ts";
import { Drafters } from "./drafters.ts";
import { draftService } from "./service.ts";
import { statusOf } from "./status.ts";

/** A draft server that runs. */
export interface DraftServer {
  readonly port: number;
  /** What a client dials. */
  readonly address: string;
  /** The drafters it offers, its default first. */
  readonly drafters: readonly DrafterName[];
  /** Lets running generations end within the grace of the settings, then frees the model. */
  stop(): Promise<void>;
}

/**
 * Starts a draft server; resolves when it can draft.
 *
 * @param log Told about every call.
 * @throws InvalidArgumentError where the draft model has another tokenizer than the target.
 */
export async function serveDraft(
  config: DraftServerConfig,
  log: (call: CallLog) => void = () => {},
): Promise<DraftServer> {
  const { metadata } = await readGguf(config.model);
  const tokenizer = tokenizerFromGguf(metadata);
  const contextKey = `${String(metadata.get("general.architecture"))}.context_length`;
  const contextLength = metadata.get(contextKey);
  if (typeof contextLength !== "number") {
    throw new ModelFileError(`serveDraft: ${config.model} has no ${contextKey}`);
  }
  const { vocabSize, sha256: tokenizerSha256 } = tokenizer;

  const draft = config.draftModel === undefined ? null : await loadDraft(config, tokenizerSha256);
  const drafters = new Drafters({
    preferred: config.drafter,
    vocabSize,
    storeTokens: config.storeTokens,
    draftModel: draft?.model ?? null,
  });
  const info = {
    name: String(metadata.get("general.name") ?? ""),
    vocabSize,
    contextLength,
    tokenizerSha256,
    weights: draft?.weights ?? "",
    exact: draft?.exact ?? false,
    engine: "",
  };
  const { host, port, insecure, reflection, maxSessions, graceMs } = config;
  try {
    const server = await startServer({
      services: [draftService({ info, drafters, vocabSize, contextLength, tokenizerSha256 })],
      host,
      port,
      insecure,
      reflection,
      maxCalls: maxSessions,
      toStatus: statusOf,
      log,
    });
    server.setServing(true);
    return {
      port: server.port,
      address: server.address,
      drafters: drafters.offered,
      async stop() {
        await server.stop(graceMs);
        await draft?.model.dispose();
      },
    };
  } catch (error) {
    await draft?.model.dispose();
    throw error;
  }
}

async function loadDraft(config: DraftServerConfig, tokenizerSha256: string) {
  const { draftModel = "", weights, threads, spinning } = config;
  const { sha256 } = tokenizerFromGguf((await readGguf(draftModel)).metadata);
  if (sha256 !== tokenizerSha256) {
    throw new InvalidArgumentError(
      `serveDraft: the draft model's tokenizer is ${sha256}, the target's is ${tokenizerSha256}`,
    );
  }
  return loadModel(draftModel, { weights, threads, spinning });
}
