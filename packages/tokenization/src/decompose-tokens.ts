/** The tokens of one vocabulary in terms of another. */
import { UnsupportedError } from "@veridraft/core-probs/errors";
import { createBpe } from "./bpe.ts";
import { spell, unspellAll } from "./byte-level.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A token of the new vocabulary. */
export interface Decomposition {
  /** The old token of the same bytes and kind, if there is one. */
  readonly shared: number | undefined;
  /** Its text; undefined for a control token, and for a part of a character. */
  readonly text: string | undefined;
  /** The old tokens that its bytes encode to; none for a control token that is not shared. */
  readonly pieces: Int32Array;
  /** Lengths of the pieces, in characters; in bytes where there is no text. */
  readonly lengths: readonly number[];
  /** Length of the token, alike. */
  readonly length: number;
}

const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The text of bytes, undefined where they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

const characters = (text: string): number => Array.from(text).length;

/** Equal for tokens that stand for the same. */
const keyOf = (tokenizer: Tokenizer, id: number): string =>
  `${tokenizer.isSpecial(id) ? "special" : "text"} ${spell(tokenizer.tokenBytes(id))}`;

/**
 * All tokens of `fresh` in terms of `old`.
 *
 * @throws UnsupportedError where `old` is not byte-level BPE.
 */
export function decomposeTokens(old: Tokenizer, fresh: Tokenizer): Decomposition[] {
  const { vocabulary } = old;
  if (!("merges" in vocabulary)) {
    throw new UnsupportedError(
      "decomposeTokens: the old tokenizer must be byte-level BPE, whose tokens can spell any bytes, got another kind",
    );
  }
  const { pieces, merges, specialIds, userDefinedIds } = vocabulary;
  const tokenBytes = unspellAll(pieces, new Set([...specialIds, ...userDefinedIds]));
  const bpe = createBpe({
    idOf: new Map(pieces.map((piece, id) => [piece, id])),
    merges,
    tokenBytes,
  });
  const oldOf = new Map<string, number>();
  for (let id = 0; id < old.vocabSize; id++) {
    const key = keyOf(old, id);
    if (!oldOf.has(key)) oldOf.set(key, id);
  }

  return Array.from({ length: fresh.vocabSize }, (_, id) => {
    const shared = oldOf.get(keyOf(fresh, id));
    const bytes = fresh.tokenBytes(id);
    if (fresh.isSpecial(id)) {
      return { shared, text: undefined, pieces: new Int32Array(0), lengths: [], length: 0 };
    }
    const text = textOf(bytes);
    const parts = text === undefined ? encodeBytes(bytes) : old.encode(text);
    const texts = Array.from(parts, (part) => textOf(old.tokenBytes(part)));
    const whole = text !== undefined && texts.every((part) => part !== undefined);
    return {
      shared,
      text,
      pieces: parts,
      lengths: Array.from(parts, (part, j) =>
        whole ? characters(texts[j] as string) : old.tokenBytes(part).length,
      ),
      length: whole ? characters(text) : bytes.length,
    };
  });

  function encodeBytes(bytes: Uint8Array): Int32Array {
    const out = new Int32Array(bytes.length);
    return out.slice(0, bpe.encode(bytes, 0, bytes.length, out, 0));
  }
}
