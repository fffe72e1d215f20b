import type { LanguageModel } from "@veridraft/core-probs";
import { type LoadedModel, loadModel, type LoadOptions } from "@veridraft/engine-onnx";
import { crossVocabularyModel, mapVocabulary, type Pieces } from "@veridraft/spec-decoding";
import type { Tokenizer } from "@veridraft/tokenization";

/** A model that drafts in the target's vocabulary. */
export interface LoadedDraftModel extends Pick<LoadedModel, "weights" | "exact"> {
  readonly model: LanguageModel;
}

/**
 * Loads a draft model. One with another tokenizer drafts the tokens that both have: exact, as the law that a token is drawn from is told with it.
 *
 * @throws InvalidArgumentError where the tokenizers have no token in common.
 */
export async function loadDraftModel(
  path: string,
  target: Tokenizer,
  options: LoadOptions,
): Promise<LoadedDraftModel> {
  const { model, tokenizer, weights, exact } = await loadModel(path, options);
  if (tokenizer.sha256 === target.sha256) return { model, weights, exact };
  try {
    const unknown = tokenizer.eosId ?? 0;
    const map = mapVocabulary(
      piecesOf(target, target.vocabSize),
      piecesOf(tokenizer, model.vocabSize),
      unknown,
    );
    return { model: crossVocabularyModel(model, map), weights, exact };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/** @param size Of a row of logits, which may be wider than the vocabulary. */
function piecesOf(tokenizer: Tokenizer, size: number): Pieces {
  return Array.from({ length: size }, (_, id) =>
    id < tokenizer.vocabSize && !tokenizer.isSpecial(id) ? tokenizer.tokenBytes(id) : null,
  );
}
