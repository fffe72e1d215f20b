/** The servers of `veridraft serve`, whose models can be named as everywhere in this program. */
import {
  draftServerConfig,
  draftServerPrefix,
  serveDraft,
  serverCommand,
} from "@veridraft/draft-server";
import {
  serveVerifier,
  verifierServerConfig,
  verifierServerPrefix,
} from "@veridraft/verifier-server";
import type { Command } from "commander";
import { modelPath } from "./model-folder.ts";

/** `veridraft serve draft`. */
export function serveDraftCommand(): Command {
  return serverCommand({
    name: "draft",
    description: "proposes tokens for a verifier over gRPC",
    schema: draftServerConfig,
    prefix: draftServerPrefix,
    start: ({ model, draftModel, ...config }, options) =>
      serveDraft(
        {
          ...config,
          model: modelPath(model),
          draftModel: draftModel === undefined ? undefined : modelPath(draftModel),
        },
        options,
      ),
  });
}

/** `veridraft serve verifier`. */
export function serveVerifierCommand(): Command {
  return serverCommand({
    name: "verifier",
    description: "generates text over gRPC, drafted by a draft server",
    schema: verifierServerConfig,
    prefix: verifierServerPrefix,
    start: ({ model, ...config }, options) =>
      serveVerifier({ ...config, model: modelPath(model) }, options),
  });
}
