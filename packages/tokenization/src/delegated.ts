/**
 * Vocabularies that this package does not encode itself (Unigram, WordPiece, BPE with other normalizers and pre-tokenizers), encoded by
 * `@huggingface/tokenizers`, which is only loaded for them.
 *
 * Control tokens are kept from it: as elsewhere, no text turns into one unless asked.
 */
import { isProbsError } from "@veridraft/core-probs/errors";
import type { Encoder } from "./bpe.ts";
import type { Kind } from "./kind.ts";
import { PieceTable } from "./piece-table.ts";
import { type Tokenizer, tokenizerOf } from "./tokenizer.ts";
import {
  readTokens,
  type TokenizerConfigJson,
  type TokenizerContext,
  tokenizerFromJson,
  type TokenizerJson,
} from "./tokenizer-json.ts";

const delegatedModels: ReadonlySet<string | undefined> = new Set(["BPE", "WordPiece", "Unigram"]);

/**
 * The tokenizer of a parsed tokenizer.json of any kind: ours where `tokenizerFromJson` takes it, otherwise one that delegates; `explain()` says which
 * part made it so. A delegating tokenizer has neither offsets nor a byte view that decodes by itself: `tokenBytes` gives the bytes of the piece's text.
 *
 * @throws UnsupportedError where `@huggingface/tokenizers` cannot use the file either.
 * @throws ModelFileError where the file contradicts itself.
 */
export async function loadTokenizerJson(
  json: TokenizerJson,
  config: TokenizerConfigJson = {},
  context: TokenizerContext = {},
): Promise<Tokenizer> {
  try {
    return tokenizerFromJson(json, config, context);
  } catch (error) {
    const isKnown = delegatedModels.has(json.model?.type);
    if (!isProbsError(error) || error.code !== "UNSUPPORTED" || !isKnown) throw error;
    return delegate(json, config, context, error);
  }
}

async function delegate(
  json: TokenizerJson,
  config: TokenizerConfigJson,
  context: TokenizerContext,
  refusal: Error,
): Promise<Tokenizer> {
  const roles = readTokens(json, config, context);
  const { pieces, specialIds, userDefinedIds } = roles;
  const { Tokenizer: Reference } = await import("@huggingface/tokenizers");
  let reference: InstanceType<typeof Reference>;
  try {
    reference = new Reference(
      {
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        decoder: null,
        ...json,
        added_tokens: (json.added_tokens ?? []).filter(({ special }) => !special),
      },
      {},
    );
  } catch {
    throw refusal;
  }
  const bytes = pieces.map((piece, id) =>
    Buffer.from(specialIds.has(id) ? piece : piece.replace(/^##/, "").replaceAll("▁", " ")),
  );
  const starts = new Int32Array(pieces.length + 1);
  for (const [id, token] of bytes.entries()) starts[id + 1] = starts[id] + token.length;
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  const encoder: Encoder = {
    algorithm: "delegated",
    reason: `@huggingface/tokenizers encodes, because ${refusal.message.replace(/^\w+: /, "")}`,
    missingBytes: new Uint8Array(),
    operations: 0,
    encode(input, start, end, out, at) {
      const text = utf8.decode(input.subarray(start, end));
      for (const id of reference.encode(text, { add_special_tokens: false }).ids) out[at++] = id;
      return at;
    },
  };
  const kind: Kind = {
    tokenBytes: { bytes: Buffer.concat(bytes), starts },
    encoder,
    bpe: undefined,
    addsSpace: false,
    whole: new PieceTable(0),
    prepare: (text) => text,
    scanner: undefined,
    split: (text, emit) => emit(text),
    decode: (ids, skipSpecial) => decodeRuns(ids, skipSpecial),
    spell: (token) => utf8.decode(token).replaceAll(" ", "▁"),
  };
  return tokenizerOf(kind, roles, () => ({ ...roles, userDefinedIds, json }));

  /** Control tokens as they are, and what is between by the decoder of the file. */
  function decodeRuns(ids: readonly number[], skipSpecial: boolean): string {
    let text = "";
    let run: number[] = [];
    const flush = (): void => {
      if (run.length > 0) text += reference.decode(run, { clean_up_tokenization_spaces: false });
      run = [];
    };
    for (const id of ids) {
      if (!specialIds.has(id)) run.push(id);
      else if (!skipSpecial) {
        flush();
        text += pieces[id];
      }
    }
    flush();
    return text;
  }
}
