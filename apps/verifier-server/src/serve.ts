/** Loads the target and serves it. */
import { statusOf } from "@veridraft/draft-server";
import { loadModel } from "@veridraft/engine-onnx";
import { createDraftClient } from "@veridraft/rpc/client";
import { type CallLog, startServer } from "@veridraft/rpc/server";
import type { VerifierServerConfig } from "./config.ts";
import { verifierService } from "./service.ts";

/** A verifier server that runs. */
export interface VerifierServer {
  readonly port: number;
  /** What a client dials. */
  readonly address: string;
  /** Lets running generations end within the grace of the settings, then frees the model. */
  stop(): Promise<void>;
}

/** What a server tells its operator. */
export interface ServeOptions {
  /** Told about every call. */
  readonly log?: (call: CallLog) => void;
  /** Told once for each outage of the draft server. */
  readonly warn?: (message: string) => void;
}

/** Starts a verifier server; resolves when it can generate. The draft server need not be there. */
export async function serveVerifier(
  config: VerifierServerConfig,
  { log = () => {}, warn = () => {} }: ServeOptions = {},
): Promise<VerifierServer> {
  const { weights, threads, host, port, insecure, reflection, maxSessions, graceMs } = config;
  const target = await loadModel(config.model, { weights, threads });
  const draftClient =
    config.draftServer === undefined ? null : createDraftClient(config.draftServer);
  const close = async (): Promise<void> => {
    draftClient?.close();
    await target.model.dispose();
  };
  const info = {
    name: target.name,
    vocabSize: target.model.vocabSize,
    contextLength: target.model.contextLength,
    tokenizerSha256: target.tokenizer.sha256,
    weights,
    exact: target.exact,
    engine: "engine-onnx",
  };
  try {
    const { roundTimeoutMs } = config;
    const server = await startServer({
      services: [verifierService({ target, info, draftClient, roundTimeoutMs, warn })],
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
      async stop() {
        await server.stop(graceMs);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
