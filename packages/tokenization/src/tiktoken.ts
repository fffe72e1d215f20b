/**
 * Tiktoken files: a line a token, its bytes in base64 and its rank, which is its id. Merges are not in the file; they follow from the ranks.
 *
 * Mostly, a token is made of the two parts that its bytes encode to with the tokens before it. Where that fails for one token, any two tokens that
 * make up a third merge to it, as in tiktoken, and the heap encoder may take over.
 */
import {
  InvalidArgumentError,
  ModelFileError,
  UnsupportedError,
} from "@veridraft/core-probs/errors";
import { createBpeOfIds, type MergeIds } from "./bpe.ts";
import { PairRules } from "./bpe-linear.ts";
import { type TokenBytes, unspellAll } from "./byte-level.ts";
import { byteLevelKind, spellVocabulary } from "./byte-level-kind.ts";
import { piecePadding, PieceTable } from "./piece-table.ts";
import { createPreTokenizer, type PreTokenizerJson } from "./pre-tokenizer.ts";
import { gpt2Pattern, llama3Pattern, o200kPattern, qwen2Pattern } from "./split-patterns.ts";
import { type Tokenizer, tokenizerOf } from "./tokenizer.ts";
import { findEndIds } from "./vocabulary.ts";

const namedPatterns: Readonly<Record<string, string>> = {
  r50k: gpt2Pattern,
  cl100k: llama3Pattern,
  o200k: o200kPattern,
  qwen2: qwen2Pattern,
};

/** What a tiktoken file does not say; `tiktokenEncodings` has it for OpenAI's. */
export interface TiktokenOptions {
  /** The split before the merges: "r50k" (GPT-2), "cl100k", "o200k" or "qwen2", or a regular expression in the syntax of tiktoken. */
  readonly pattern: string;
  /** Control tokens and their ids. */
  readonly special?: Readonly<Record<string, number>>;
}

/**
 * The tokenizer of a tiktoken file, given its text. `<|endoftext|>` is its EOS, if it is among the control tokens.
 *
 * @throws ModelFileError where a line is not a token in base64 and a rank above the last.
 * @throws InvalidArgumentError where the id of a control token is taken.
 * @throws UnsupportedError where the pattern has no JavaScript equivalent.
 * @example
 * const file = readFileSync("cl100k_base.tiktoken", "utf8");
 * const tokenizer = tokenizerFromTiktoken(file, tiktokenEncodings.cl100k_base);
 */
export function tokenizerFromTiktoken(
  file: string,
  { pattern, special = {} }: TiktokenOptions,
): Tokenizer {
  const tokenBytes = addSpecial(readTokens(file), special);
  const specialIds = new Set(Object.values(special));
  const texts = Object.entries(special);
  const pieces: string[] = [];
  for (const [text, id] of texts) pieces[id] = text;
  const eosId = special["<|endoftext|>"];
  const regex = Object.hasOwn(namedPatterns, pattern) ? namedPatterns[pattern] : pattern;
  const splitting = {
    preTokenizer: createPreTokenizer(preTokenizerJson(regex)),
    normalizer: undefined,
    ignoreMerges: true,
  };
  const roles = {
    specialIds,
    userDefinedIds: new Set<number>(),
    bosId: undefined,
    eosId,
    endIds: findEndIds(pieces, specialIds, eosId),
    addBos: false,
  };
  const { merges, tokens } = findMerges(tokenBytes, specialIds);
  const bpe = createBpeOfIds(merges, tokenBytes);
  const kind = byteLevelKind(bpe, tokenBytes, specialIds, splitting, tokens);
  return tokenizerOf(kind, roles, () => ({
    ...roles,
    ...splitting,
    ...spellVocabulary(tokenBytes, merges, specialIds),
  }));
}

/**
 * The tokens as a tiktoken file. Control tokens and the pattern are not in it.
 *
 * @throws UnsupportedError where ids do not follow the order of merges, which a tiktoken file cannot say, and for SentencePiece.
 */
export function toTiktoken({ vocabulary }: Tokenizer): string {
  if (!("merges" in vocabulary)) {
    throw new UnsupportedError(
      "toTiktoken: a SentencePiece vocabulary is not supported; byte-level BPE vocabularies are",
    );
  }
  const { pieces, merges, specialIds, userDefinedIds } = vocabulary;
  const literalIds = new Set([...specialIds, ...userDefinedIds]);
  const { bytes, starts } = unspellAll(pieces, literalIds);
  const rankOf = new Map<string, number>();
  for (const [rank, merge] of merges.entries()) {
    const piece = merge.replace(" ", "");
    if (!rankOf.has(piece)) rankOf.set(piece, rank);
  }
  const lines: string[] = [];
  let last = -1;
  for (let id = 0; id < pieces.length; id++) {
    if (pieces[id] === "" || literalIds.has(id)) continue;
    const rank = rankOf.get(pieces[id]) ?? -1;
    if (rank >= 0 && rank < last) {
      throw new UnsupportedError(
        `toTiktoken: token ${id}, "${pieces[id]}", has merge ${rank}, before merge ${last} of a smaller id, and tiktoken merges by id`,
      );
    }
    last = Math.max(last, rank);
    const base64 = Buffer.from(bytes.subarray(starts[id], starts[id + 1])).toString("base64");
    lines.push(`${base64} ${id}`);
  }
  return `${lines.join("\n")}\n`;
}

function preTokenizerJson(regex: string): PreTokenizerJson {
  const split = { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: false,
  };
  return { type: "Sequence", pretokenizers: [split, byteLevel] };
}

const sextets = new Int8Array(128).fill(-1);
for (const [value, character] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries()) {
  sextets[character.charCodeAt(0)] = value;
}

/** Ranks are ids, and each id takes memory. */
const rankLimit = 2 ** 24;

/** Tokens by id; ids without a line are empty. */
function readTokens(file: string): TokenBytes {
  const bytes = new Uint8Array(Math.ceil((3 * file.length) / 4));
  const starts: number[] = [];
  let end = 0;
  let line = 0;
  for (let at = 0; at < file.length;) {
    line++;
    const newline = file.indexOf("\n", at);
    const stop = newline < 0 ? file.length : newline;
    const begin = end;
    let bits = 0;
    let i = at;
    for (; i < stop; i++) {
      const code = file.charCodeAt(i);
      const sextet = code < 128 ? sextets[code] : -1;
      if (sextet < 0) break;
      bits = (bits << 6) | sextet;
      if (((i - at) & 3) === 3) {
        bytes[end++] = bits >> 16;
        bytes[end++] = bits >> 8;
        bytes[end++] = bits;
        bits = 0;
      }
    }
    const rest = (i - at) & 3;
    if (rest === 2) bytes[end++] = bits >> 4;
    if (rest === 3) {
      bytes[end++] = bits >> 10;
      bytes[end++] = bits >> 2;
    }
    while (file[i] === "=") i++;
    const blank = i;
    let id = 0;
    for (i++; i < stop && id < rankLimit; i++) {
      const digit = file.charCodeAt(i) - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      id = 10 * id + digit;
    }
    const isLine = file[blank] === " " && i > blank + 1 && (i === stop || file[i] === "\r");
    if (stop > at) {
      if (!isLine || end === begin || rest === 1 || id < starts.length || id >= rankLimit) {
        throw new ModelFileError(
          `tokenizerFromTiktoken: line ${line}, "${file.slice(at, Math.min(stop, at + 60))}", is not a token in base64 and a rank of at least ${starts.length} and below ${rankLimit}`,
        );
      }
      while (starts.length <= id) starts.push(begin);
    }
    at = stop + 1;
  }
  return { bytes: bytes.slice(0, end), starts: Int32Array.from([...starts, end]) };
}

/** The same tokens and control tokens in free places. */
function addSpecial(tokens: TokenBytes, special: Readonly<Record<string, number>>): TokenBytes {
  const { bytes, starts } = tokens;
  const texts = Object.entries(special).toSorted(([, a], [, b]) => a - b);
  const size = Math.max(starts.length - 1, ...texts.map(([, id]) => id + 1));
  const joined: Uint8Array[] = [];
  const ends = new Int32Array(size + 1);
  let from = 0; // of bytes
  let added = 0;
  let next = 0;
  for (const [text, id] of texts) {
    if (
      !Number.isInteger(id) ||
      id < next ||
      (id + 1 < starts.length && starts[id] < starts[id + 1])
    ) {
      throw new InvalidArgumentError(
        `tokenizerFromTiktoken: the id of "${text}" must be an integer >= 0 that no other token has, got ${id}`,
      );
    }
    for (; next <= id; next++) ends[next] = startOf(next) + added;
    const literal = new TextEncoder().encode(text);
    joined.push(bytes.subarray(from, startOf(id)), literal);
    from = startOf(id);
    added += literal.length;
  }
  joined.push(bytes.subarray(from));
  for (; next <= size; next++) ends[next] = startOf(next) + added;
  return { bytes: Buffer.concat(joined), starts: ends };

  function startOf(id: number): number {
    return starts[Math.min(id, starts.length - 1)];
  }
}

/** The merges of the tokens, by rank, and all tokens by their bytes. */
function findMerges(
  { bytes, starts }: TokenBytes,
  specialIds: ReadonlySet<number>,
): { merges: MergeIds; tokens: PieceTable } {
  const vocabSize = starts.length - 1;
  const padded = new Uint8Array(bytes.length + piecePadding);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  const tokens = new PieceTable(vocabSize); // so far
  const rules = PairRules.empty(256 + vocabSize);
  const byteIds = new Int32Array(256).fill(-1);
  const symbolOf = new Int32Array(vocabSize);
  // All bytes come first: a file may number them after longer tokens.
  for (let id = 0; id < vocabSize; id++) {
    if (starts[id + 1] - starts[id] !== 1 || specialIds.has(id)) continue;
    tokens.add(view, starts[id], 1, id);
    symbolOf[id] = bytes[starts[id]];
    byteIds[symbolOf[id]] = id;
  }
  const [left, right, whole] = [0, 1, 2].map(() => new Int32Array(vocabSize));
  let made = 0;
  let allMade = true;
  for (let id = 0; id < vocabSize; id++) {
    const start = starts[id];
    const length = starts[id + 1] - start;
    if (length < 2 || specialIds.has(id)) continue;
    let isMerge = false;
    for (let cut = length - 1; cut > 0 && !isMerge; cut--) {
      const head = tokens.find(view, start, cut);
      const tail = head < 0 ? -1 : tokens.find(view, start + cut, length - cut);
      if (tail < 0 || !rules.isPair(symbolOf[head], symbolOf[tail])) continue;
      isMerge = true;
      symbolOf[id] = 256 + made;
      rules.add(symbolOf[head], symbolOf[tail], symbolOf[id]);
      [left[made], right[made], whole[made++]] = [head, tail, id];
    }
    allMade &&= isMerge;
    tokens.add(view, start, length, id);
  }
  const merges = allMade
    ? {
        byteIds,
        left: left.subarray(0, made),
        right: right.subarray(0, made),
        whole: whole.subarray(0, made),
        rules,
      }
    : { byteIds, ...findPairs(tokens, view, starts, specialIds) };
  return { merges, tokens };
}

/** Any two tokens that make up a third, which is the rank of their merge. */
function findPairs(
  tokens: PieceTable,
  view: DataView,
  starts: Int32Array,
  specialIds: ReadonlySet<number>,
): Omit<MergeIds, "byteIds"> {
  const [left, right, whole]: number[][] = [[], [], []];
  for (let id = 0; id + 1 < starts.length; id++) {
    if (specialIds.has(id)) continue;
    for (let cut = starts[id + 1] - 1; cut > starts[id]; cut--) {
      const head = tokens.find(view, starts[id], cut - starts[id]);
      const tail = head < 0 ? -1 : tokens.find(view, cut, starts[id + 1] - cut);
      if (tail < 0) continue;
      left.push(head);
      right.push(tail);
      whole.push(id);
    }
  }
  const ranks = Int32Array.from(whole);
  return { left: Int32Array.from(left), right: Int32Array.from(right), whole: ranks, ranks };
}
