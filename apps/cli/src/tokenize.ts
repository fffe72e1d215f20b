import { loadTokenizer } from "@veridraft/engine-onnx";
import type { z } from "zod";
import { jsonOption, modelOptions } from "./options.ts";

export const tokenizeOptions = modelOptions
  .omit({ weights: true, device: true, cacheType: true })
  .extend({
    json: jsonOption,
  });

/** `veridraft tokenize`. */
export async function tokenize(
  text: string,
  flags: z.output<typeof tokenizeOptions>,
): Promise<void> {
  const tokenizer = await loadTokenizer(flags.model);
  const ids = Array.from(tokenizer.encode(text));
  const pieces = ids.map((id) => tokenizer.piece(id));
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ ids, pieces })}\n`);
    return;
  }
  ids.forEach((id, i) => {
    process.stdout.write(`${String(id).padStart(6)}  ${JSON.stringify(pieces[i])}\n`);
  });
}
