import { InvalidArgumentError } from "@veridraft/core-probs";
import type { Generator } from "./generator.ts";
import { openLocal } from "./local.ts";
import type { GenerateFlags } from "./options.ts";
import { openRemote } from "./remote.ts";

/** Opens what the flags ask for: a verifier server, or the model in this process. */
export async function openGenerator(flags: GenerateFlags): Promise<Generator> {
  const { prediction, lantern, learnPrompt } = flags;
  const here = { prediction, lantern, "learn-prompt": learnPrompt };
  for (const [name, value] of Object.entries(here)) {
    if (flags.verifier === undefined || !value) continue;
    throw new InvalidArgumentError(
      `--${name} works in this process, not on a server; leave out --verifier`,
    );
  }
  return flags.verifier === undefined ? openLocal(flags) : openRemote(flags.verifier);
}
