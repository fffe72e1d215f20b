import { InvalidArgumentError, ShapeError } from "../errors.ts";
import type { LanguageModel, TreeSequence } from "../model.ts";
import { forwardModel } from "./forward-model.ts";

export interface TableModelOptions {
  /** Default 4096. */
  readonly contextLength?: number;
}

/**
 * A Markov chain as a language model, exact and instant: after a token, the next one has the law `rows[token]`. Logits are ln(rows[token]).
 *
 * @param rows Square; non-negative, each with a positive sum.
 * @example const model = tableModel([[0.1, 0.9], [0.5, 0.5]]); // 0 is followed by 1 nine times in ten
 */
export function tableModel(
  rows: readonly (readonly number[])[],
  options: TableModelOptions = {},
): LanguageModel<TreeSequence> {
  const { contextLength = 4096 } = options;
  rows.forEach((probs, token) => {
    if (probs.length !== rows.length) {
      throw new ShapeError(
        `tableModel: ${rows.length} rows, but row ${token} has ${probs.length} entries`,
      );
    }
    if (!probs.every((p) => p >= 0) || !probs.some((p) => p > 0)) {
      throw new InvalidArgumentError(
        `tableModel: row ${token} must be non-negative with a positive sum, got ${probs.join(" ")}`,
      );
    }
  });
  const cols = rows.length;
  const logits = rows.map((probs) => Float32Array.from(probs, Math.log));
  return forwardModel({
    vocabSize: cols,
    contextLength,
    async run(_, tokens) {
      const data = new Float32Array(tokens.length * cols);
      tokens.forEach((id, i) => data.set(logits[id], i * cols));
      return { data, rows: tokens.length, cols };
    },
  });
}
