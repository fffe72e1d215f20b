import { scoreTokens } from "@veridraft/core-probs";
import { loadModel } from "@veridraft/engine-onnx";
import type { z } from "zod";
import { jsonOption, modelOptions } from "./options.ts";
import { quotePiece } from "./quote-piece.ts";

export const scoreOptions = modelOptions.extend({
  json: jsonOption,
});

/** `veridraft score`: the first token has no log-probability, as nothing stands before it. */
export async function score(text: string, flags: z.output<typeof scoreOptions>): Promise<void> {
  const { weights, device, cacheType } = flags;
  const { model, tokenizer } = await loadModel(flags.model, { weights, device, cacheType });
  try {
    const ids = tokenizer.encode(text);
    const logProbs = await scoreTokens(model, ids);
    const total = logProbs.reduce((sum, value) => sum + value, 0);
    const mean = total / logProbs.length;
    const perplexity = Math.exp(-mean);
    if (flags.json) {
      const tokens = Array.from(ids, (id, i) => ({
        id,
        piece: tokenizer.piece(id),
        logProb: i === 0 ? null : logProbs[i - 1],
      }));
      process.stdout.write(`${JSON.stringify({ tokens, total, mean, perplexity })}\n`);
      return;
    }
    ids.forEach((id, i) => {
      const value = i === 0 ? "-" : logProbs[i - 1].toFixed(4);
      process.stdout.write(`${value.padStart(9)}  ${quotePiece(tokenizer.piece(id))}\n`);
    });
    process.stdout.write(
      `total ${total.toFixed(4)}, mean ${mean.toFixed(4)}, perplexity ${perplexity.toFixed(4)}\n`,
    );
  } finally {
    await model.dispose();
  }
}
