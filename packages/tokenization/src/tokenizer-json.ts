/**
 * Reads tokenizer.json, the format of Hugging Face tokenizers, for byte-level BPE and SentencePiece of the BPE kind, and writes it for byte-level BPE.
 *
 * Does not: normalizers other than NFC for byte-level BPE, added tokens that strip white space, models other than BPE. All of these throw
 * UnsupportedError by name.
 */
import { ModelFileError, UnsupportedError } from "@veridraft/core-probs/errors";
import { spellByte } from "./byte-level.ts";
import { createPreTokenizer, type PreTokenizerJson } from "./pre-tokenizer.ts";
import { readSpacePrefix, scoresOf } from "./sentence-piece-json.ts";
import { checkTokenizerJson } from "./tokenizer-json-shape.ts";
import { createTokenizer, type Tokenizer, type TokenRoles } from "./tokenizer.ts";
import { findEndIds } from "./vocabulary.ts";

/** One entry of `added_tokens`. */
export interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly single_word?: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly normalized?: boolean;
}

/** A normalizer, pre-tokenizer, post-processor or decoder. */
export interface ComponentJson {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The parts of a tokenizer.json that this package reads and writes. */
export interface TokenizerJson {
  readonly version?: string;
  readonly truncation?: unknown;
  readonly padding?: unknown;
  readonly added_tokens?: readonly AddedTokenJson[];
  readonly normalizer?: ComponentJson | null;
  readonly pre_tokenizer?: PreTokenizerJson | null;
  readonly post_processor?: ComponentJson | null;
  readonly decoder?: ComponentJson | null;
  readonly model: {
    readonly type?: string;
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (string | readonly [string, string])[];
    readonly unk_token?: string | null;
    readonly byte_fallback?: boolean;
    readonly ignore_merges?: boolean;
    readonly continuing_subword_prefix?: string | null;
    readonly end_of_word_suffix?: string | null;
    readonly dropout?: number | null;
    readonly fuse_unk?: boolean;
  };
}

type TokenName = string | { readonly content: string } | null;

/** The parts of a tokenizer_config.json that this package reads. */
export interface TokenizerConfigJson {
  readonly bos_token?: TokenName;
  readonly eos_token?: TokenName;
  readonly add_bos_token?: boolean;
  readonly chat_template?: string | readonly { readonly name: string; readonly template: string }[];
}

/** What other files of a model say of its tokenizer. */
export interface TokenizerContext {
  /** Further ids after which generation stops: `eos_token_id` of generation_config.json. */
  readonly endIds?: readonly number[];
  /** Ids that the model knows; those without a piece have an empty one. */
  readonly vocabSize?: number;
}

/**
 * The tokenizer of a parsed tokenizer.json; `config` is its tokenizer_config.json, which names BOS and EOS.
 *
 * @throws UnsupportedError naming the component that cannot be used.
 * @throws ModelFileError where the file contradicts itself.
 */
export function tokenizerFromJson(
  json: TokenizerJson,
  config: TokenizerConfigJson = {},
  context: TokenizerContext = {},
): Tokenizer {
  checkTokenizerJson(json);
  const { model } = json;
  const isSentencePiece = model.byte_fallback === true;
  checkModel(json);
  if (!isSentencePiece) checkByteLevel(json);
  for (const token of json.added_tokens ?? []) {
    if (token.lstrip === true || token.rstrip === true || token.single_word === true) {
      throw new UnsupportedError(
        `tokenizerFromJson: added token "${token.content}" uses lstrip, rstrip or single_word, which are not supported`,
      );
    }
  }
  const tokens = readTokens(json, config, context);
  const { pieces, specialIds, userDefinedIds } = tokens;
  if (isSentencePiece) {
    const pairs = model.merges.map((merge) =>
      typeof merge === "string" ? (merge.split(" ") as [string, string]) : merge,
    );
    return createTokenizer({
      ...tokens,
      scores: scoresOf(pieces, pairs, new Set([...specialIds, ...userDefinedIds])),
      addSpacePrefix: readSpacePrefix(json),
    });
  }
  return createTokenizer({
    ...tokens,
    merges: model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" "))),
    preTokenizer: createPreTokenizer(json.pre_tokenizer as PreTokenizerJson),
    normalizer: json.normalizer ? "NFC" : undefined,
    ignoreMerges: model.ignore_merges === true,
  });
}

/** The tokens of a tokenizer.json of any kind, and their roles. */
export function readTokens(
  { model, added_tokens = [], post_processor }: TokenizerJson,
  config: TokenizerConfigJson,
  { endIds = [], vocabSize = 0 }: TokenizerContext,
): TokenRoles & { readonly pieces: readonly string[] } {
  const pieces: string[] = [];
  const place = (piece: string, id: number): void => {
    if (pieces[id] !== undefined && pieces[id] !== piece) {
      throw new ModelFileError(
        `tokenizerFromJson: id ${id} is both "${pieces[id]}" and "${piece}"`,
      );
    }
    pieces[id] = piece;
  };
  const { vocab } = model;
  // Unigram has a list of [piece, score], the others a map of ids.
  if (Array.isArray(vocab)) for (const [id, [piece]] of vocab.entries()) place(piece, id);
  else for (const [piece, id] of Object.entries(vocab)) place(piece, id);
  const specialIds = new Set<number>();
  const userDefinedIds = new Set<number>();
  for (const token of added_tokens) {
    place(token.content, token.id);
    (token.special ? specialIds : userDefinedIds).add(token.id);
  }
  if (vocabSize > 0 && pieces.length > vocabSize) {
    throw new ModelFileError(
      `tokenizerFromJson: ${pieces.length} tokens are more than the ${vocabSize} that the model knows`,
    );
  }
  for (let id = 0; id < Math.max(pieces.length, vocabSize); id++) pieces[id] ??= "";

  const idOfToken = (name: TokenName | undefined): number | undefined => {
    if (name === undefined || name === null) return undefined;
    const content = typeof name === "string" ? name : name.content;
    const id = pieces.indexOf(content);
    if (id < 0)
      throw new ModelFileError(`tokenizerFromJson: "${content}" is not in the vocabulary`);
    return id;
  };
  const bosId = idOfToken(config.bos_token);
  const eosId = idOfToken(config.eos_token);
  const addBos = config.add_bos_token ?? startsWithSpecial(post_processor);
  return {
    pieces,
    specialIds,
    userDefinedIds,
    bosId,
    eosId,
    endIds: new Set([...findEndIds(pieces, specialIds, eosId), ...endIds]),
    addBos: addBos && bosId !== undefined,
  };
}

/**
 * The tokenizer as a tokenizer.json that Hugging Face tokenizers (Rust, Python, JavaScript) load.
 *
 * @throws UnsupportedError for a SentencePiece vocabulary.
 */
export function toTokenizerJson({ vocabulary }: Tokenizer): TokenizerJson {
  if (!("merges" in vocabulary)) {
    throw new UnsupportedError(
      "toTokenizerJson: a SentencePiece vocabulary is not supported; byte-level BPE vocabularies are",
    );
  }
  const { pieces, merges, specialIds, userDefinedIds } = vocabulary;
  const vocab: Record<string, number> = {};
  for (let id = 0; id < pieces.length; id++) if (pieces[id] !== "") vocab[pieces[id]] = id;
  const added = [...specialIds, ...userDefinedIds].toSorted((a, b) => a - b);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map((id) => ({
      id,
      content: pieces[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: specialIds.has(id),
    })),
    normalizer: vocabulary.normalizer === undefined ? null : { type: vocabulary.normalizer },
    pre_tokenizer: vocabulary.preTokenizer.json,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: vocabulary.ignoreMerges,
      vocab,
      merges: [...merges],
    },
  };
}

function refuse(what: string): never {
  throw new UnsupportedError(
    `tokenizerFromJson: ${what} is not supported; byte-level BPE and SentencePiece BPE vocabularies are`,
  );
}

function checkModel({ model }: TokenizerJson): void {
  if (model.type !== undefined && model.type !== "BPE") refuse(`model "${model.type}"`);
  if (model.continuing_subword_prefix) refuse("continuing_subword_prefix");
  if (model.end_of_word_suffix) refuse("end_of_word_suffix");
  if (model.dropout) refuse("dropout");
}

function checkByteLevel({ model, normalizer, pre_tokenizer, decoder }: TokenizerJson): void {
  if (normalizer && normalizer.type !== "NFC") refuse(`normalizer "${normalizer.type}"`);
  if (!pre_tokenizer) refuse("a missing pre_tokenizer");
  if (decoder && decoder.type !== "ByteLevel") refuse(`decoder "${decoder.type}"`);
  if (model.unk_token) {
    for (let byte = 0; byte < 256; byte++) {
      if (model.vocab[spellByte(byte)] === undefined) refuse("unk_token where bytes have no token");
    }
  }
}

/** Whether the template for one text begins with a special token, as Llama 3's does. */
function startsWithSpecial(processor: ComponentJson | null | undefined): boolean {
  if (!processor) return false;
  if (processor.type === "Sequence") {
    return (processor.processors as ComponentJson[]).some(startsWithSpecial);
  }
  if (processor.type !== "TemplateProcessing") return false;
  const [first] = processor.single as Record<string, unknown>[];
  return first !== undefined && "SpecialToken" in first;
}
