/**
 * Covers: the encodings that can be under way when a text has so far only these bytes; their probabilities add up to that of the bytes.
 *
 * Phan, Amos, Gat, Havasi, Muckley, Ullrich, "Exact Byte-Level Probabilities from Tokenized Language Models for FIM-Tasks and Model Ensembles", 2024,
 * arXiv:2410.09303.
 *
 * A cover of x is a sequence of tokens whose text begins with x and whose last token begins inside x. P(x) = sum over covers t of P(t): every text
 * that goes on after x has one canonical encoding, cut it at the first token that reaches the end of x. Covers are found left to right: all allowed
 * sequences that spell x[0, i) exactly, then those tokens that go on with all of x[i, n).
 *
 * Departures: a sequence is canonical where some text that goes on from it has it as a prefix of its encoding (the authors: where it is the encoding of
 * its own text, which loses " " before "\n", because pre-tokenizers look ahead); all sequences may be asked for in place of the canonical ones; the
 * bytes may end inside a character.
 */
import {
  InvalidArgumentError,
  type LanguageModel,
  logProbOf,
  logSumExp,
  row,
  UnsupportedError,
} from "@veridraft/core-probs";
import type { ByteTrie } from "./byte-trie.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Whether a sequence of ids may begin the encoding of a text. */
export type Allowed = (ids: readonly number[]) => boolean;

/** Texts that make a pre-tokenizer decide otherwise about what is before them: nothing, a letter, a line. */
const contexts = ["", "x", "\n"];

/**
 * A test for canonical sequences: those that begin the encoding of some text. A sequence that ends inside a character is judged by its tokens up to
 * that character. Costs up to three encodings of the text so far.
 *
 * @throws UnsupportedError for SentencePiece.
 */
export function canonicalSequences(tokenizer: Tokenizer): Allowed {
  if (!("merges" in tokenizer.vocabulary)) {
    throw new UnsupportedError(
      "canonicalSequences: needs a byte-level vocabulary, got SentencePiece; allow all sequences",
    );
  }
  return (ids) => {
    const bytes = Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id)));
    let text: string;
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      text = decoder.decode(bytes, { stream: true });
    } catch {
      return false;
    }
    const whole = Buffer.byteLength(text);
    let count = ids.length;
    let end = bytes.length;
    while (end > whole || (end < whole && (bytes[end] & 0xc0) === 0x80)) {
      end -= tokenizer.tokenBytes(ids[--count]).length;
    }
    if (end < whole) text = bytes.toString("utf8", 0, end);
    return contexts.some((context) => {
      const encoded = tokenizer.encode(text + context);
      return encoded.length >= count && encoded.subarray(0, count).every((id, i) => id === ids[i]);
    });
  };
}

/**
 * The covers of `bytes`, those of the shortest exact part first.
 *
 * @param allowed Default: every sequence, whose number grows exponentially with `bytes`.
 */
export function coverEncodings(
  trie: ByteTrie,
  bytes: Uint8Array,
  allowed: Allowed = () => true,
): number[][] {
  if (bytes.length === 0) return [[]];
  /** exact[i]: the allowed sequences that spell the first i bytes. */
  const exact: number[][][] = Array.from(bytes, () => []);
  exact[0].push([]);
  const covers: number[][] = [];
  for (let from = 0; from < bytes.length; from++) {
    if (exact[from].length === 0) continue;
    let node = trie.child(trie.root, bytes[from]);
    for (let to = from + 1; node !== undefined; to++) {
      const last = to === bytes.length;
      const ids = trie.ids.subarray(node.start, last ? node.end : trie.endOfWhole(node));
      for (const left of exact[from]) {
        for (const id of ids) {
          const longer = [...left, id];
          if (allowed(longer)) (last ? covers : exact[to]).push(longer);
        }
      }
      node = last ? undefined : trie.child(node, bytes[to]);
    }
  }
  return covers;
}

/**
 * ln P(cover | context) of every cover, with one forward for each different beginning (all but the last token).
 *
 * @param context Ids before the bytes, at least one.
 * @throws InvalidArgumentError for an empty context.
 */
export async function scoreCovers(
  model: LanguageModel,
  context: ArrayLike<number>,
  covers: readonly (readonly number[])[],
): Promise<Float64Array> {
  if (context.length === 0) {
    throw new InvalidArgumentError("scoreCovers: needs at least 1 id as context, got 0");
  }
  const beginnings = new Map<string, number[]>();
  covers.forEach((cover, i) => {
    const left = cover.slice(0, -1).join(" ");
    const places = beginnings.get(left);
    if (places) places.push(i);
    else beginnings.set(left, [i]);
  });
  const logProbs = new Float64Array(covers.length);
  const sequence = await model.open();
  try {
    for (const places of beginnings.values()) {
      const left = covers[places[0]].slice(0, -1);
      // oxlint-disable-next-line no-await-in-loop -- a sequence runs one forward at a time
      const logits = await sequence.forward([...Array.from(context), ...left]);
      const start = context.length - 1;
      let logProb = 0;
      for (let i = 0; i < left.length; i++) logProb += logProbOf(row(logits, start + i), left[i]);
      const law = row(logits, start + left.length);
      for (const place of places) {
        const last = covers[place].at(-1);
        logProbs[place] = logProb + (last === undefined ? 0 : logProbOf(law, last));
      }
    }
  } finally {
    sequence.dispose();
  }
  return logProbs;
}

/**
 * ln P(the text after `context` begins with `bytes`): the sum over the covers.
 *
 * @returns -Infinity where no allowed sequence spells the bytes.
 */
export async function bytePrefixLogProb(
  model: LanguageModel,
  trie: ByteTrie,
  context: ArrayLike<number>,
  bytes: Uint8Array,
  allowed?: Allowed,
): Promise<number> {
  const covers = coverEncodings(trie, bytes, allowed);
  if (covers.length === 0) return -Infinity;
  return logSumExp(await scoreCovers(model, context, covers));
}
