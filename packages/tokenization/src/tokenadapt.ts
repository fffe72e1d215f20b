/**
 * TokenAdapt: rows for a new vocabulary from the embedding of an old one, so that a model takes another tokenizer without training.
 *
 * Sharthak, Pahalwan, Kamath, Shirodkar, "Achieving Tokenizer Flexibility in Language Models through Heuristic Adaptation and Supertoken Learning", 2025,
 * arXiv:2505.09738; ReTok, the plain mean, is Gu et al., "ReTok: Replacing Tokenizer to Enhance Representation Efficiency in Large Language Model", 2024,
 * arXiv:2410.04335.
 *
 *   shared tokens: the old row
 *   local:  old pieces s_j of w; c_j = (softmax(cos(w, s))_j + length share_j) / 2; the mean of their rows by softmax(c / T)
 *   global: the k old tokens nearest to w in a space of texts; the mean of their rows by softmax(cos / T)
 *   hybrid: (1 - g) local + g global
 *
 * Letters: w a token's text, T temperature, g globalWeight. Departures: tokens are compared as bytes, so that "Ġthe" and "▁the" are one; a token that is
 * a part of a character has a local estimate by lengths in bytes and no global one; T is used as it is; no rows of padding.
 */
import { InvalidArgumentError, type Rng, ShapeError, softmax, topK } from "@veridraft/core-probs";
import { type Decomposition, decomposeTokens, textOf } from "./decompose-tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How rows are estimated. */
export interface TokenAdaptOptions {
  /** Of both weightings, above 0. @default 0.3 */
  readonly temperature?: number;
  /** Old tokens of the global estimate. @default 3 */
  readonly neighbors?: number;
  /** Of the global estimate, in [0, 1]: 0 is local alone, 1 global alone. @default 0.3 */
  readonly globalWeight?: number;
  /** Neighbors less similar do not count. The paper finds that it harms. @default none */
  readonly threshold?: number;
}

/** Vectors of texts, [texts, any width]: a sentence model, or {@link selfEmbedding}. */
export type EmbedTexts = (texts: readonly string[]) => Promise<Float32Array> | Float32Array;

/** A new row as a weighted sum of old ones. */
export interface Mixture {
  /** Old tokens; none where there is no estimate. */
  readonly ids: ArrayLike<number>;
  readonly weights: ArrayLike<number>;
  readonly source: "copied" | "local" | "global" | "hybrid" | "none";
}

/**
 * Weights of the old pieces of a token; they sum to 1.
 *
 * @param similarities Cosines of token and pieces. @param lengths Of the pieces. @param fullLength Of the token.
 * @example localWeights(Float32Array.of(0.8, 0.6, 0), [5, 4, 2], 11, 0.3) // [0.4596, 0.3457, 0.1946]
 */
export function localWeights(
  similarities: Float32Array,
  lengths: ArrayLike<number>,
  fullLength: number,
  temperature: number,
): Float32Array {
  const shares = softmax(similarities);
  const scores = shares.map((share, j) => (share + lengths[j] / Math.max(1, fullLength)) / 2);
  return softmax(scores, temperature);
}

/** Weights of neighbors, which sum to 1; null where all are below the threshold. */
export function globalWeights(
  similarities: Float32Array,
  temperature: number,
  threshold = -1,
): Float32Array | null {
  const kept = similarities.map((value) => (value < threshold ? -Infinity : value));
  return kept.some((value) => value > -Infinity) ? softmax(kept, temperature) : null;
}

/** The rows of [rows, width] at length 1; a row of zeros stays. */
export function normalizeRows(vectors: Float32Array, width: number): Float32Array {
  const normalized = Float32Array.from(vectors);
  for (let at = 0; at < vectors.length; at += width) {
    let square = 0;
    for (let d = at; d < at + width; d++) square += vectors[d] * vectors[d];
    if (square > 0) {
      for (let d = at; d < at + width; d++) normalized[d] /= Math.sqrt(square);
    }
  }
  return normalized;
}

/** The k rows of the largest cosine with a query, the largest first, and the cosines. All rows and the query have length 1. */
export function nearestRows(
  rows: Float32Array,
  query: Float32Array,
  k: number,
): { readonly ids: Int32Array; readonly similarities: Float32Array } {
  const width = query.length;
  const cosines = new Float32Array(rows.length / width);
  for (let row = 0, at = 0; row < cosines.length; row++) {
    let product = 0;
    for (let d = 0; d < width; d++, at++) product += rows[at] * query[d];
    cosines[row] = product;
  }
  const ids = topK(cosines, k);
  return { ids, similarities: Float32Array.from(ids, (id) => cosines[id]) };
}

/** Texts by the mean of the old model's own rows: an embedder that needs no other model. Ours, not the paper's. */
export function selfEmbedding(old: Tokenizer, table: Float32Array, width: number): EmbedTexts {
  return (texts) => {
    const vectors = new Float32Array(texts.length * width);
    texts.forEach((text, i) => {
      const ids = old.encode(text);
      for (const id of ids) {
        for (let d = 0; d < width; d++)
          vectors[i * width + d] += table[id * width + d] / ids.length;
      }
    });
    return vectors;
  };
}

/** ReTok: the plain mean of a token's old pieces. */
export function reTok(old: Tokenizer, fresh: Tokenizer): Mixture[] {
  return decomposeTokens(old, fresh).map(({ shared, pieces }) => {
    if (shared !== undefined) return copied(shared);
    const weights = Array.from(pieces, () => 1 / pieces.length);
    return { ids: pieces, weights, source: pieces.length > 0 ? "local" : "none" };
  });
}

const copied = (id: number): Mixture => ({ ids: [id], weights: [1], source: "copied" });

/**
 * The rows of a new vocabulary as mixtures of old ones: the same for the embedding and, where it is another matrix, the head.
 *
 * @throws InvalidArgumentError where `embed` gives vectors that are not of one width, and for options out of range; UnsupportedError where `old` is not
 * byte-level BPE.
 */
export async function tokenAdapt(
  old: Tokenizer,
  fresh: Tokenizer,
  embed: EmbedTexts,
  options: TokenAdaptOptions = {},
): Promise<Mixture[]> {
  const config = { temperature: 0.3, neighbors: 3, globalWeight: 0.3, threshold: -1, ...options };
  const { temperature, neighbors, globalWeight } = config;
  if (!(temperature > 0 && globalWeight >= 0 && globalWeight <= 1 && neighbors >= 1)) {
    throw new InvalidArgumentError(
      `tokenAdapt: temperature must be > 0, globalWeight in [0, 1] and neighbors >= 1, got ${temperature}, ${globalWeight} and ${neighbors}`,
    );
  }
  const tokens = decomposeTokens(old, fresh);
  const known: string[] = [];
  const idOf: number[] = [];
  for (let id = 0; id < old.vocabSize; id++) {
    const text = textOf(old.tokenBytes(id));
    if (text === undefined || text === "" || old.isSpecial(id)) continue;
    known.push(text);
    idOf.push(id);
  }
  const vectors = await embed(known);
  const width = vectors.length / known.length;
  const rows = normalizeRows(vectors, width);
  const placeOf = new Map(idOf.map((id, place) => [id, place]));
  const unique = tokens.filter(({ shared, text }) => shared === undefined && text !== undefined);
  const queries = await embed(unique.map(({ text }) => text as string));
  if (queries.length !== unique.length * width) {
    throw new InvalidArgumentError(
      `tokenAdapt: embed must give vectors of one width, got ${width} for old and ${queries.length / unique.length} for new tokens`,
    );
  }
  const directions = normalizeRows(queries, width);
  const queryOf = new Map(
    unique.map((token, i) => [token, directions.subarray(i * width, (i + 1) * width)]),
  );
  return tokens.map((token) => {
    if (token.shared !== undefined) return copied(token.shared);
    const query = queryOf.get(token);
    const local = globalWeight < 1 ? localMixture(token, query, rows, placeOf, config) : null;
    const global = query && globalWeight > 0 ? globalMixture(query, rows, idOf, config) : null;
    return blend(local, global, globalWeight);
  });
}

/** Without a query, the token or a piece is no text, so lengths alone count. */
function localMixture(
  { pieces, lengths, length }: Decomposition,
  query: Float32Array | undefined,
  rows: Float32Array,
  placeOf: ReadonlyMap<number, number>,
  { temperature }: Required<TokenAdaptOptions>,
): Mixture | null {
  if (pieces.length === 0) return null;
  const cosine = (id: number): number => {
    const place = placeOf.get(id);
    if (query === undefined || place === undefined) return 0;
    let product = 0;
    for (let d = 0; d < query.length; d++) product += query[d] * rows[place * query.length + d];
    return product;
  };
  const shares = Float32Array.from(lengths, (each) => each / Math.max(1, length));
  const weights =
    query === undefined
      ? softmax(shares, temperature)
      : localWeights(Float32Array.from(pieces, cosine), lengths, length, temperature);
  return { ids: pieces, weights, source: "local" };
}

function globalMixture(
  query: Float32Array,
  rows: Float32Array,
  idOf: readonly number[],
  { neighbors, temperature, threshold }: Required<TokenAdaptOptions>,
): Mixture | null {
  const { ids, similarities } = nearestRows(rows, query, neighbors);
  const weights = globalWeights(similarities, temperature, threshold);
  return weights && { ids: Array.from(ids, (place) => idOf[place]), weights, source: "global" };
}

function blend(local: Mixture | null, global: Mixture | null, globalWeight: number): Mixture {
  if (local === null || global === null) {
    return local ?? global ?? { ids: [], weights: [], source: "none" };
  }
  return {
    ids: [...Array.from(local.ids), ...Array.from(global.ids)],
    weights: [
      ...Array.from(local.weights, (weight) => (1 - globalWeight) * weight),
      ...Array.from(global.weights, (weight) => globalWeight * weight),
    ],
    source: "hybrid",
  };
}

/**
 * The new matrix, [mixtures, width].
 *
 * @param table The old one, [rows, width]. @param missing Gives the rows that have no estimate: `normalRow`, `meanRow`.
 * @throws ShapeError where the table is no matrix of this width.
 */
export function mixRows(
  mixtures: readonly Mixture[],
  table: Float32Array,
  width: number,
  missing: () => Float32Array,
): Float32Array {
  if (!Number.isInteger(table.length / width)) {
    throw new ShapeError(
      `mixRows: the table must be [rows, ${width}], got ${table.length} numbers`,
    );
  }
  const mixed = new Float32Array(mixtures.length * width);
  mixtures.forEach(({ ids, weights, source }, row) => {
    const out = mixed.subarray(row * width, (row + 1) * width);
    if (source === "none") out.set(missing());
    else if (source === "copied") out.set(table.subarray(ids[0] * width, (ids[0] + 1) * width));
    else {
      for (let j = 0; j < ids.length; j++) {
        for (let d = 0; d < width; d++) out[d] += weights[j] * table[ids[j] * width + d];
      }
    }
  });
  return mixed;
}

/** Rows drawn from the normal law of all entries of a table. */
export function normalRow(table: Float32Array, width: number, rng: Rng): () => Float32Array {
  let sum = 0;
  let squares = 0;
  for (const value of table) {
    sum += value;
    squares += value * value;
  }
  const center = sum / table.length;
  const deviation = Math.sqrt(Math.max(0, squares / table.length - center * center));
  return () =>
    Float32Array.from({ length: width }, () => {
      const radius = Math.sqrt(-2 * Math.log(1 - rng.uniform()));
      return center + deviation * radius * Math.cos(2 * Math.PI * rng.uniform());
    });
}

/** The mean of all rows of a table. */
export function meanRow(table: Float32Array, width: number): () => Float32Array {
  const mean = new Float32Array(width);
  const rows = table.length / width;
  for (let i = 0; i < table.length; i++) mean[i % width] += table[i] / rows;
  return () => mean;
}
