/**
 * Pre-tokenizers: the split of a text into the pieces that byte pair encoding works on, one at a time.
 *
 * A pre-tokenizer is described as in tokenizer.json and compiled to stages; each stage cuts every piece of the stage before into the matches of a
 * regular expression and what is between them. `tokenizer.ggml.pre` names are a table of such descriptions.
 *
 * Does not: components that change or drop text (Metaspace, add_prefix_space, behaviors other than Isolated).
 */
import { UnsupportedError } from "@veridraft/core-probs/errors";
import { findScanner, type Scanner } from "./scanners.ts";
import {
  compilePattern,
  digitPattern,
  digitsThenGpt2Pattern,
  gpt4oPattern,
  gaplessPatterns,
  gpt2Pattern,
  llama3Pattern,
  qwen2Pattern,
  tekkenPattern,
} from "./split-patterns.ts";

/** A component as tokenizer.json writes it. */
export interface PreTokenizerJson {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A compiled pre-tokenizer. */
export interface PreTokenizer {
  /** The description that it was made from. */
  readonly json: PreTokenizerJson;
  /** The patterns of its stages, in tokenizer.json's syntax: two pre-tokenizers with the same patterns split alike. */
  readonly patterns: readonly string[];
  /** Calls `emit` with the pieces of `text` in order; together they are `text`, which must be well-formed UTF-16. */
  split(text: string, emit: (piece: string) => void): void;
  /** The same split on UTF-8, for the patterns that have one. */
  readonly scanner: Scanner | undefined;
}

type Split = PreTokenizer["split"];

/**
 * Compiles the `pre_tokenizer` of a tokenizer.json.
 *
 * @throws UnsupportedError naming the component that cannot be used.
 */
export function createPreTokenizer(json: PreTokenizerJson): PreTokenizer {
  const patterns: string[] = [];
  if (!collectPatterns(json, patterns)) {
    throw new UnsupportedError(
      `createPreTokenizer: "${json.type}" without ByteLevel is not byte-level BPE; only byte-level vocabularies can be used`,
    );
  }
  const fused =
    patterns.length === 2 && patterns[0] === digitPattern && patterns[1] === gpt2Pattern;
  const staged = fused ? [digitsThenGpt2Pattern] : patterns;
  const stages = staged.map((pattern) =>
    gaplessPatterns.has(pattern) ? splitGapless(pattern) : splitIsolated(pattern),
  );
  const split = stages.reduceRight<Split>(
    (rest, stage) => (text, emit) => stage(text, (piece) => rest(piece, emit)),
    (text, emit) => emit(text),
  );
  return {
    json,
    patterns,
    split: stages.length === 1 ? stages[0] : split,
    scanner: staged.length === 1 ? findScanner(staged[0]) : undefined,
  };
}

/** Appends the patterns of `json`; returns whether it contains ByteLevel. */
function collectPatterns(json: PreTokenizerJson, patterns: string[]): boolean {
  switch (json.type) {
    case "Sequence":
      return (json.pretokenizers as PreTokenizerJson[]).reduce(
        (found, component) => collectPatterns(component, patterns) || found,
        false,
      );
    case "ByteLevel":
      if (json.add_prefix_space === true) throw unsupported("ByteLevel with add_prefix_space");
      if (json.use_regex !== false) patterns.push(gpt2Pattern);
      return true;
    case "Digits":
      patterns.push(json.individual_digits === true ? digitPattern : `${digitPattern}+`);
      return false;
    case "Split": {
      if (json.behavior !== "Isolated") throw unsupported(`Split with behavior ${json.behavior}`);
      const { Regex: regex, String: text } = json.pattern as { Regex?: string; String?: string };
      patterns.push(regex ?? (text as string).replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&"));
      return false;
    }
    default:
      throw unsupported(`"${json.type}"`);
  }
}

function unsupported(component: string): UnsupportedError {
  return new UnsupportedError(
    `createPreTokenizer: ${component} is not supported; Sequence, Split (Isolated), Digits and ByteLevel are`,
  );
}

/** For patterns that match one character or more at every position: no match objects, no search. */
function splitGapless(pattern: string): Split {
  const sticky = compilePattern(pattern, "y");
  return (text, emit) => {
    let start = 0;
    while (start < text.length) {
      sticky.lastIndex = start;
      sticky.test(text);
      const end = sticky.lastIndex;
      emit(text.slice(start, end));
      start = end;
    }
  };
}

/** Matches and gaps are pieces. */
function splitIsolated(pattern: string): Split {
  const global = compilePattern(pattern, "g");
  return (text, emit) => {
    let start = 0;
    for (const match of text.matchAll(global)) {
      if (match[0] === "") continue;
      if (match.index > start) emit(text.slice(start, match.index));
      emit(match[0]);
      start = match.index + match[0].length;
    }
    if (start < text.length) emit(text.slice(start));
  };
}

const byteLevel = (useRegex: boolean): PreTokenizerJson => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});

const splits = (...patterns: string[]): PreTokenizerJson[] =>
  patterns.map((pattern) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }));

const sequence = (...pretokenizers: PreTokenizerJson[]): PreTokenizerJson => ({
  type: "Sequence",
  pretokenizers,
});

/** What llama.cpp does for "default"; the second pattern is GPT-2's. */
const defaultPatterns = ["[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2Pattern, "\\p{N}+", "[0-9][0-9][0-9]"];

const gpt2 = byteLevel(true);
const digitsThenGpt2 = sequence(...splits(digitPattern), gpt2);
const llama3 = sequence(...splits(llama3Pattern), byteLevel(false));
const qwen2 = sequence(...splits(qwen2Pattern), byteLevel(false));
const gpt4o = sequence(...splits(gpt4oPattern), byteLevel(false));
const tekken = sequence(...splits(tekkenPattern), byteLevel(false));

/** A split, and what llama.cpp assumes with it where the file does not say. */
interface GgmlEntry {
  readonly json: PreTokenizerJson;
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
}

const llamaBpe: GgmlEntry = { json: llama3, ignoreMerges: true, addBos: true };

/** `tokenizer.ggml.pre` names, as llama.cpp groups them. */
const ggmlPreTokenizers: Readonly<Record<string, GgmlEntry>> = {
  default: { json: sequence(...splits(...defaultPatterns), byteLevel(false)) },
  "gpt-2": { json: gpt2 },
  "phi-2": { json: gpt2 },
  mpt: { json: gpt2 },
  olmo: { json: gpt2 },
  smollm: { json: digitsThenGpt2 },
  starcoder: { json: digitsThenGpt2 },
  refact: { json: digitsThenGpt2 },
  "command-r": { json: digitsThenGpt2 },
  codeshell: { json: digitsThenGpt2 },
  "llama-bpe": llamaBpe,
  llama3: llamaBpe,
  "llama-v3": llamaBpe,
  falcon3: llamaBpe,
  dbrx: { json: llama3 },
  "smaug-bpe": { json: llama3 },
  qwen2: { json: qwen2 },
  "deepseek-r1-qwen": { json: qwen2 },
  stablelm2: { json: qwen2 },
  "gpt-4o": { json: gpt4o },
  llama4: { json: gpt4o },
  tekken: { json: tekken, ignoreMerges: true, addBos: true },
};

/** What llama.cpp assumes with a `tokenizer.ggml.pre`, beyond the split. */
export interface GgmlPre {
  readonly preTokenizer: PreTokenizer;
  /** A piece that is in the vocabulary is one token, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Whether prompts start with BOS where the file does not say. */
  readonly addBos: boolean;
}

/**
 * The pre-tokenizer behind a `tokenizer.ggml.pre` name.
 *
 * @throws UnsupportedError naming the supported ones.
 */
export function ggmlPreTokenizer(name: string): GgmlPre {
  if (!Object.hasOwn(ggmlPreTokenizers, name)) {
    const known = Object.keys(ggmlPreTokenizers).join(", ");
    throw new UnsupportedError(
      `ggmlPreTokenizer: tokenizer.ggml.pre "${name}" is not supported; supported are ${known}`,
    );
  }
  const { json, ignoreMerges = false, addBos = false } = ggmlPreTokenizers[name];
  return { preTokenizer: createPreTokenizer(json), ignoreMerges, addBos };
}
