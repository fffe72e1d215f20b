/** The servers of `veridraft serve`, whose models can be named as everywhere in this program. */
import { draftServerProgram, serverCommand } from "@veridraft/draft-server";
import { verifierServerProgram } from "@veridraft/verifier-server";
import type { Command } from "commander";
import { modelPath } from "./model-folder.ts";

/** `veridraft serve draft`. */
export function serveDraftCommand(): Command {
  return serverCommand({
    ...draftServerProgram,
    start: ({ model, draftModel, ...config }, options) =>
      draftServerProgram.start(
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
    ...verifierServerProgram,
    start: ({ model, ...config }, options) =>
      verifierServerProgram.start({ ...config, model: modelPath(model) }, options),
  });
}
