/**
 * Trains byte-level BPE vocabularies, merge by merge as Hugging Face's trainer does.
 *
 * Ids: control tokens first, then the 256 bytes in the order of their characters in the byte-level alphabet, then the merges; with protected
 * strings, theirs come last. WordPiece and Unigram are not trained here by choice: byte-level BPE loses no text and has the exact linear encoder.
 */
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import { spell, spellByte } from "./byte-level.ts";
import { countPieces, type SplitText } from "./count-pieces.ts";
import { createPreTokenizer, type PreTokenizerJson } from "./pre-tokenizer.ts";
import { protectStrings } from "./protected-vocabulary.ts";
import { learnMerges } from "./train-merges.ts";
import { findEndIds, type Vocabulary } from "./vocabulary.ts";

/** How a vocabulary is trained. */
export interface TrainOptions {
  /** Tokens in all: control tokens, 256 bytes and merges. There are fewer where the texts do not have as many pairs. */
  readonly vocabSize: number;
  /** Control tokens, which get the first ids. `<|endoftext|>` is EOS if it is among them. */
  readonly special?: readonly string[];
  /** A pair that occurs less often is not merged. @default 2 */
  readonly minFrequency?: number;
  /** The most bytes of a token. @default no limit */
  readonly longestToken?: number;
  /** The split of the tokenizer, as tokenizer.json writes it. @default GPT-2's */
  readonly preTokenizer?: PreTokenizerJson;
  /** The split while training where it is another: supertokens. @default that of `preTokenizer` */
  readonly trainingSplit?: SplitText;
  /** Strings that become one token each where they are a piece by themselves. */
  readonly protect?: readonly string[];
  /** Distinct pieces that are held in memory while counting. @default 2^22 */
  readonly mostPieces?: number;
  /** Called after each merge, or each hundredth where there are many. */
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** How far a training is. */
export interface TrainProgress {
  readonly merges: number;
  /** Merges that are wanted. */
  readonly of: number;
}

/**
 * The vocabulary that `texts` train, for `createTokenizer`. Texts are split one by one and may come from a stream.
 *
 * @throws InvalidArgumentError where `vocabSize` has no room for the bytes, the control tokens and the protected strings.
 * @example
 * const vocabulary = await trainBpe(["low lower lowest"], { vocabSize: 300, special: ["<|endoftext|>"] });
 * const tokenizer = createTokenizer(vocabulary);
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainOptions,
): Promise<Vocabulary> {
  const { vocabSize, special = [], minFrequency = 2, longestToken = Infinity } = options;
  const wanted = vocabSize - 256 - special.length;
  if (!(Number.isInteger(vocabSize) && wanted >= 0)) {
    throw new InvalidArgumentError(
      `trainBpe: vocabSize must be an integer >= ${256 + special.length}, which bytes and control tokens take, got ${vocabSize}`,
    );
  }
  const preTokenizer = createPreTokenizer(
    options.preTokenizer ?? { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  );
  const split = options.trainingSplit ?? preTokenizer.split;
  const { counts } = await countPieces(texts, split, options.mostPieces);

  const pieces = [...special, ...alphabet];
  const idOf = new Map(pieces.map((piece, id) => [piece, id]));
  const utf8 = new TextEncoder();
  const words = Array.from(counts.keys(), (piece) =>
    Array.from(spell(utf8.encode(piece)), (character) => idOf.get(character) as number),
  );
  const learned = learnMerges({
    words,
    counts: Float64Array.from(counts.values()),
    lengths: pieces.map(() => 1),
    longest: longestToken,
    minFrequency: Math.max(minFrequency, 1),
    symbolOf: (left, right) => idOf.get(pieces[left] + pieces[right]) ?? pieces.length,
  });
  const merges: string[] = [];
  while (pieces.length < vocabSize) {
    const next = learned.next();
    if (next.done === true) break;
    const { left, right, symbol } = next.value;
    if (symbol === pieces.length) {
      const piece = pieces[left] + pieces[right];
      idOf.set(piece, symbol);
      pieces.push(piece);
    }
    merges.push(`${pieces[left]} ${pieces[right]}`);
    if (wanted < 1000 || merges.length % 100 === 0) {
      options.onProgress?.({ merges: merges.length, of: wanted });
    }
  }
  options.onProgress?.({ merges: merges.length, of: wanted });
  const specialIds = new Set(special.keys());
  const eosId = special.includes("<|endoftext|>") ? special.indexOf("<|endoftext|>") : undefined;
  const vocabulary: Vocabulary = {
    pieces,
    merges,
    specialIds,
    userDefinedIds: new Set(),
    preTokenizer,
    normalizer: undefined,
    ignoreMerges: false,
    bosId: undefined,
    eosId,
    endIds: findEndIds(pieces, specialIds, eosId),
    addBos: false,
  };
  return options.protect === undefined
    ? vocabulary
    : fit(vocabulary, options.protect, vocabSize, special.length + 256);
}

/** With the protected strings in place of the last merges. */
function fit(
  vocabulary: Vocabulary,
  strings: readonly string[],
  vocabSize: number,
  fixed: number,
): Vocabulary {
  let size = vocabulary.pieces.length;
  for (;;) {
    const kept = size;
    const pieces = vocabulary.pieces.slice(0, kept);
    const known = new Set(pieces);
    const merges = vocabulary.merges.filter((merge) => known.has(merge.replace(" ", "")));
    const protectedOne = protectStrings({ ...vocabulary, pieces, merges }, strings);
    const over = protectedOne.pieces.length - vocabSize;
    if (over <= 0) return protectedOne;
    size -= over;
    if (size < fixed) {
      throw new InvalidArgumentError(
        `trainBpe: vocabSize must have room for what ${strings.length} protected strings take, got ${vocabSize}`,
      );
    }
  }
}

/** The bytes as characters, in the order of these. */
const alphabet: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  spellByte(byte),
).toSorted((a, b) => a.charCodeAt(0) - b.charCodeAt(0));
