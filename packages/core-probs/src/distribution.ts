/**
 * A law over token ids. Dense: `ids` is null and `probs[id]` is the probability of id. Sparse: `probs[j]` belongs to `ids[j]`, ids ascend strictly,
 * and every other id has probability 0. Truncating warpers (topK, topP, minP) give sparse laws, so that what follows costs their support and
 * not the vocabulary.
 */
export interface Distribution {
  readonly ids: Int32Array | null;
  /** On the simplex: non-negative, sum 1 within float32 rounding. */
  readonly probs: Float32Array;
}
