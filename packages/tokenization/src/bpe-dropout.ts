/**
 * BPE-dropout: encodes with merges left out at random, so that a model in training sees many segmentations of a word.
 *
 * Ivan Provilkov, Dmitrii Emelianenko and Elena Voita, "BPE-Dropout: Simple and Effective Subword Regularization", 2020, arXiv:1910.13267.
 *
 * At each step every merge that applies somewhere is dropped with probability p, place by place; the best of those left, the leftmost where several
 * are, is applied; where none is left, the word is done. p = 0 is byte pair encoding, p = 1 gives bytes.
 *
 * Departures: none. (Hugging Face's encoder puts dropped merges off to the next step that applies one, which is another law.)
 */
import type { Rng } from "@veridraft/core-probs";
import { InvalidArgumentError, UnsupportedError } from "@veridraft/core-probs/errors";
import type { MergeIds } from "./bpe.ts";
import { kindOf } from "./kind.ts";
import { PairIndex } from "./pair-index.ts";
import type { Tokenizer } from "./tokenizer.ts";

const tables = new WeakMap<MergeIds, PairIndex>();

/** (left id, right id) -> rank. */
function ranksOf(list: MergeIds): PairIndex {
  let table = tables.get(list);
  if (table === undefined) {
    table = new PairIndex(list.left, list.right);
    for (let rank = 0; rank < list.whole.length; rank++) table.add(rank);
    tables.set(list, table);
  }
  return table;
}

/**
 * Ids of `text` with merges dropped with probability `p`; they decode to the same text. Control and user-defined tokens in the text are text.
 *
 * @throws InvalidArgumentError where `p` is not in [0, 1].
 * @throws UnsupportedError for tokenizers that are not byte-level BPE.
 */
export function encodeWithDropout(
  tokenizer: Tokenizer,
  text: string,
  p: number,
  rng: Rng,
): Int32Array {
  if (!(p >= 0 && p <= 1)) {
    throw new InvalidArgumentError(`encodeWithDropout: p must be in [0, 1], got ${p}`);
  }
  const { bpe, prepare, split } = kindOf("encodeWithDropout", tokenizer);
  if (bpe === undefined) {
    throw new UnsupportedError("encodeWithDropout: only byte-level BPE is supported");
  }
  const { byteIds, whole } = bpe.list;
  const ranks = ranksOf(bpe.list);
  const ids: number[] = [];
  const utf8 = new TextEncoder();
  split(prepare(Buffer.from(text).toString()), (piece) => {
    const symbols = Array.from(utf8.encode(piece), (byte) => byteIds[byte]).filter((id) => id >= 0);
    for (;;) {
      let best = -1;
      let at = -1;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const rank = ranks.get(symbols[i], symbols[i + 1]);
        if (rank < 0 || rng.bernoulli(p)) continue;
        if (best < 0 || rank < best) [best, at] = [rank, i];
      }
      if (best < 0) break;
      symbols.splice(at, 2, whole[best]);
    }
    ids.push(...symbols);
  });
  return Int32Array.from(ids);
}
