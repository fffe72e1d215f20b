import type { Generator } from "./generator.ts";
import { openLocal } from "./local.ts";
import type { GenerateFlags } from "./options.ts";
import { openRemote } from "./remote.ts";

/** Opens what the flags ask for: a verifier server, or the model in this process. */
export async function openGenerator(flags: GenerateFlags): Promise<Generator> {
  return flags.verifier === undefined ? openLocal(flags) : openRemote(flags.verifier);
}
