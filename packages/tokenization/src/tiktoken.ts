/**
 * Tiktoken files: a line a token, its bytes in base64 and its rank, which is its id. Merges are not in the file; they follow from the ranks.
 *
 * A token is made of the two parts that its bytes encode to with the tokens before it. Where there are no such two parts, any two tokens that
 * make it up merge to it, as in tiktoken, and the heap encoder takes over.
 */
import { InvalidArgumentError, ModelFileError, UnsupportedError } from "@veridraft/core-probs";
import { PairRules } from "./bpe-linear.ts";
import { spell, unspellAll } from "./byte-level.ts";
import { piecePadding, PieceTable } from "./piece-table.ts";
import { createPreTokenizer, type PreTokenizerJson } from "./pre-tokenizer.ts";
import { gpt2Pattern, llama3Pattern, o200kPattern, qwen2Pattern } from "./split-patterns.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";
import { findEndIds } from "./vocabulary.ts";

const namedPatterns = {
  r50k: gpt2Pattern,
  cl100k: llama3Pattern,
  o200k: o200kPattern,
  qwen2: qwen2Pattern,
} as const;

/** What a tiktoken file does not say. */
export interface TiktokenOptions {
  /** The split before the merges: a name ("r50k" is GPT-2's), or a regular expression in the syntax of tiktoken. */
  readonly pattern: keyof typeof namedPatterns | (string & {});
  /** Control tokens and their ids. */
  readonly special?: Readonly<Record<string, number>>;
}

/**
 * The tokenizer of a tiktoken file, given its text.
 *
 * @throws ModelFileError where a line is not a token, or an id is used twice.
 * @throws UnsupportedError where the pattern has no JavaScript equivalent.
 */
export function tokenizerFromTiktoken(
  file: string,
  { pattern, special = {} }: TiktokenOptions,
): Tokenizer {
  const { tokens, size } = readTokens(file);
  const merges: string[] = [];
  const pieces: string[] = [];
  for (const [id, token] of tokens.entries()) if (token !== undefined) pieces[id] = spell(token);
  const specialIds = new Set<number>();
  for (const [piece, id] of Object.entries(special)) {
    if (!Number.isInteger(id) || id < 0 || pieces[id] !== undefined) {
      throw new InvalidArgumentError(
        `tokenizerFromTiktoken: the id of "${piece}" must be a free integer >= 0, got ${id}`,
      );
    }
    pieces[id] = piece;
    specialIds.add(id);
  }
  for (let id = 0; id < pieces.length; id++) pieces[id] ??= "";
  for (const [left, right] of mergesOf(tokens, size)) merges.push(`${pieces[left]} ${pieces[right]}`);
  const eosId = special["<|endoftext|>"];
  const regex: string = Object.hasOwn(namedPatterns, pattern)
    ? namedPatterns[pattern as keyof typeof namedPatterns]
    : pattern;
  return createTokenizer({
    pieces,
    merges,
    specialIds,
    userDefinedIds: new Set(),
    preTokenizer: createPreTokenizer(preTokenizerJson(regex)),
    normalizer: undefined,
    ignoreMerges: true,
    bosId: undefined,
    eosId,
    endIds: findEndIds(pieces, specialIds, eosId),
    addBos: false,
  });
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
  const literal = new Set([...specialIds, ...userDefinedIds]);
  const { bytes, starts } = unspellAll(pieces, literal);
  const lines: string[] = [];
  const made = merges.map((merge) => merge.replace(" ", ""));
  const rankOf = new Map<string, number>();
  for (const [rank, piece] of made.entries()) if (!rankOf.has(piece)) rankOf.set(piece, rank);
  let last = -1;
  for (let id = 0; id < pieces.length; id++) {
    if (pieces[id] === "" || literal.has(id)) continue;
    const rank = rankOf.get(pieces[id]) ?? -1;
    if (starts[id + 1] - starts[id] > 1) {
      if (rank < last) {
        throw new UnsupportedError(
          `toTiktoken: token ${id}, "${pieces[id]}", is merged before token ${id - 1}, and tiktoken merges by id`,
        );
      }
      last = rank;
    }
    lines.push(`${Buffer.from(bytes.subarray(starts[id], starts[id + 1])).toString("base64")} ${id}`);
  }
  return `${lines.join("\n")}\n`;
}

function preTokenizerJson(regex: string): PreTokenizerJson {
  const split = { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: "Sequence", pretokenizers: [split, byteLevel] };
}

function readTokens(file: string): { tokens: (Buffer | undefined)[]; size: number } {
  const tokens: (Buffer | undefined)[] = [];
  let size = 0;
  let number = 0;
  for (const line of file.split("\n")) {
    number++;
    if (line === "") continue;
    const blank = line.indexOf(" ");
    const id = blank < 0 ? -1 : Number(line.slice(blank + 1));
    const token = Buffer.from(line.slice(0, blank), "base64");
    if (!Number.isInteger(id) || id < 0 || token.length === 0) {
      throw new ModelFileError(
        `tokenizerFromTiktoken: line ${number}, "${line.slice(0, 60)}", is not a token in base64 and its rank`,
      );
    }
    if (tokens[id] !== undefined) {
      throw new ModelFileError(`tokenizerFromTiktoken: line ${number} has rank ${id} again`);
    }
    tokens[id] = token;
    size += token.length;
  }
  return { tokens, size };
}

/** The merges of the tokens, by rank. */
function* mergesOf(
  tokens: readonly (Buffer | undefined)[],
  size: number,
): Generator<[left: number, right: number]> {
  const bytes = new Uint8Array(size + piecePadding);
  const view = new DataView(bytes.buffer);
  const before = new PieceTable(tokens.length);
  const rules = new PairRules(256 + tokens.length);
  const symbolOf = new Int32Array(tokens.length);
  const idOf = new Int32Array(256 + tokens.length);
  let end = 0;
  // All bytes come first: a file may number them after longer tokens.
  const add = (id: number, token: Buffer): number => {
    const start = end;
    bytes.set(token, start);
    end += token.length;
    before.add(view, start, token.length, id);
    return start;
  };
  for (const [id, token] of tokens.entries()) {
    if (token?.length !== 1) continue;
    add(id, token);
    symbolOf[id] = token[0];
    idOf[token[0]] = id;
  }
  const whole: number[] = [];
  for (const [id, token] of tokens.entries()) {
    if (token === undefined || token.length < 2) continue;
    const start = end;
    bytes.set(token, start);
    const parts: [number, number][] = [];
    let found = false;
    for (let length = token.length - 1; length > 0 && !found; length--) {
      const left = before.find(view, start, length);
      const right = left < 0 ? -1 : before.find(view, start + length, token.length - length);
      if (right < 0) continue;
      found = rules.isPair(symbolOf[left], symbolOf[right]);
      if (found) parts.length = 0;
      parts.push([left, right]);
    }
    symbolOf[id] = 256 + id;
    if (found) rules.add(symbolOf[parts[0][0]], symbolOf[parts[0][1]], 256 + id);
    add(id, token);
    yield* parts;
  }
}
