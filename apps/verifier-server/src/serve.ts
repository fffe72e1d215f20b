/** Loads the target and serves it. */
import { type RunningService, type ServeOptions, startService } from "@veridraft/draft-server";
import { loadModel } from "@veridraft/engine-onnx";
import { createDraftClient } from "@veridraft/rpc/client";
import type { VerifierServerConfig } from "./config.ts";
import { verifierService } from "./service.ts";

/** Starts a verifier server; resolves when it can generate. The draft server need not be there. */
export async function serveVerifier(
  config: VerifierServerConfig,
  { log, warn = () => {} }: ServeOptions = {},
): Promise<RunningService> {
  const { model, draftServer, pipelining, roundTimeoutMs, weights, device, ...rest } = config;
  const { cacheType, threads, streams, maxCacheBytes, prefixCacheBytes } = rest;
  const cache = { cacheType, maxCacheBytes, prefixCacheBytes };
  const target = await loadModel(model, { weights, device, threads, streams, ...cache });
  const draftClient = draftServer === undefined ? null : createDraftClient(draftServer);
  const info = {
    name: target.name,
    vocabSize: target.model.vocabSize,
    contextLength: target.model.contextLength,
    tokenizerSha256: target.tokenizer.sha256,
    weights: target.weights,
    exact: target.exact,
    engine: "engine-onnx",
    sha256: target.sha256 ?? "",
  };
  const { tapWidth: width } = target.model;
  const taps = width > 0 && target.sha256 ? { width, targetSha256: target.sha256 } : undefined;
  const drafting = { draftClient, taps, pipelining, roundTimeoutMs, warn };
  const service = verifierService({ target, info, ...drafting });
  const dispose = async (): Promise<void> => {
    draftClient?.close();
    await target.model.dispose();
  };
  return startService(service, config, dispose, log);
}
