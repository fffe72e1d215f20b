import { InvalidArgumentError } from "@veridraft/core-probs";
import { type LoadedHead, loadDraftHead } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import type { DrafterName } from "@veridraft/spec-decoding";
import { z } from "zod";

/** Which head drafts, as programs are told. */
export const headSetting = z
  .string()
  .min(1)
  .optional()
  .describe(
    'File of a head that veridraft draft train made for the model; "none" for none; absent: the embedded one of the embedded model.',
  );

/**
 * The head of a setting, where the drafter may use one.
 *
 * @param setting As {@link headSetting} has it. @param model The GGUF file of the target.
 * @throws InvalidArgumentError where the drafter needs one and there is none; ModelFileError as `loadDraftHead`.
 */
export async function loadHead(
  setting: string | undefined,
  model: string,
  drafter: DrafterName | "none",
): Promise<LoadedHead | null> {
  const path = setting ?? (model === smolLM2.path ? smolLM2.draftHead : "none");
  if (path !== "none") return loadDraftHead(path, model);
  if (drafter !== "head") return null;
  throw new InvalidArgumentError(
    `drafter head needs a head that was trained for ${model}: name one with --draft-head, or train one with veridraft draft train`,
  );
}
