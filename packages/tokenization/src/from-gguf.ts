import { ModelFileError, UnsupportedError } from "@veridraft/core-probs/errors";
import { ggmlPreTokenizer } from "./pre-tokenizer.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";
import { findEndIds } from "./vocabulary.ts";

/** Token types of GGUF. */
const unknownType = 2;
const controlType = 3;
const userDefinedType = 4;

type Metadata = ReadonlyMap<string, unknown>;

/**
 * The tokenizer that a GGUF file holds, from its metadata.
 *
 * @throws UnsupportedError where the vocabulary is neither byte-level BPE nor SentencePiece, or its pre-tokenizer is not known.
 * @throws ModelFileError where the metadata contradict themselves.
 * @example
 * const { metadata } = await readGguf(path);
 * const tokenizer = tokenizerFromGguf(metadata);
 */
export function tokenizerFromGguf(metadata: Metadata): Tokenizer {
  const model = metadata.get("tokenizer.ggml.model");
  if (model !== "gpt2" && model !== "llama") {
    throw new UnsupportedError(
      `tokenizerFromGguf: tokenizer.ggml.model "${String(model)}" is not supported; byte-level BPE ("gpt2") and SentencePiece ("llama") are`,
    );
  }
  const pieces = strings(metadata, "tokenizer.ggml.tokens");
  const types = metadata.get("tokenizer.ggml.token_type");
  const specialIds = new Set<number>();
  const userDefinedIds = new Set<number>();
  if (types !== undefined) {
    if (!isArray(types) || types.length !== pieces.length) {
      throw new ModelFileError(
        `tokenizerFromGguf: tokenizer.ggml.token_type must hold ${pieces.length} numbers, one a token`,
      );
    }
    for (let id = 0; id < pieces.length; id++) {
      if (types[id] === controlType || types[id] === unknownType) specialIds.add(id);
      else if (types[id] === userDefinedType) userDefinedIds.add(id);
    }
  }
  const eosId = readId(metadata, "eos", pieces.length);
  const endIds = findEndIds(pieces, specialIds, eosId);
  for (const name of ["eot", "eom"]) {
    const id = readId(metadata, name, pieces.length);
    if (id !== undefined) endIds.add(id);
  }
  const tokens = {
    pieces,
    specialIds,
    userDefinedIds,
    bosId: readId(metadata, "bos", pieces.length),
    eosId,
    endIds,
  };
  const addBos = metadata.get("tokenizer.ggml.add_bos_token") as boolean | undefined;
  if (model === "llama") {
    return createTokenizer({
      ...tokens,
      scores: readScores(metadata, pieces.length),
      addSpacePrefix: (metadata.get("tokenizer.ggml.add_space_prefix") as boolean) ?? true,
      addBos: addBos ?? true,
    });
  }
  const pre = ggmlPreTokenizer((metadata.get("tokenizer.ggml.pre") as string) ?? "default");
  return createTokenizer({
    ...tokens,
    merges: strings(metadata, "tokenizer.ggml.merges"),
    preTokenizer: pre.preTokenizer,
    normalizer: undefined,
    ignoreMerges: pre.ignoreMerges,
    addBos: addBos ?? pre.addBos,
  });
}

/** Texts of the tokens that a sequence begins and ends with; undefined where a model has none. */
export interface SequenceTokens {
  readonly bosToken?: string;
  readonly eosToken?: string;
}

/** Those that a GGUF file names. @throws ModelFileError where the metadata contradict themselves. */
export function sequenceTokensFromGguf(metadata: Metadata): SequenceTokens {
  const pieces = strings(metadata, "tokenizer.ggml.tokens");
  const textOf = (name: string): string | undefined => {
    const id = readId(metadata, name, pieces.length);
    return id === undefined ? undefined : pieces[id];
  };
  return { bosToken: textOf("bos"), eosToken: textOf("eos") };
}

function isArray(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

function strings(metadata: Metadata, key: string): string[] {
  const value = metadata.get(key);
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    throw new ModelFileError(`tokenizerFromGguf: ${key} must be an array of strings`);
  }
  return value;
}

function readScores(metadata: Metadata, vocabSize: number): number[] {
  const scores = metadata.get("tokenizer.ggml.scores");
  if (!isArray(scores) || scores.length !== vocabSize) {
    throw new ModelFileError(
      `tokenizerFromGguf: tokenizer.ggml.scores must hold ${vocabSize} numbers, one a token`,
    );
  }
  return Array.from(scores, Number);
}

function readId(metadata: Metadata, name: string, vocabSize: number): number | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  const id = metadata.get(key);
  if (id === undefined) return undefined;
  if (!Number.isInteger(id) || !((id as number) >= 0 && (id as number) < vocabSize)) {
    throw new ModelFileError(
      `tokenizerFromGguf: ${key} must be in [0, ${vocabSize}), got ${String(id)}`,
    );
  }
  return id as number;
}
