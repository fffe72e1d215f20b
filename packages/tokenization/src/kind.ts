import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import type { Bpe, Encoder } from "./bpe.ts";
import type { TokenBytes } from "./byte-level.ts";
import type { PieceTable } from "./piece-table.ts";
import type { Scanner } from "./scanners.ts";

/** What a tokenizer takes from the kind of its vocabulary. */
export interface Kind {
  readonly tokenBytes: TokenBytes;
  readonly encoder: Encoder;
  /** Whether `prepare` puts a space before a text. */
  readonly addsSpace: boolean;
  /** Tokens that a piece of the same bytes becomes. */
  readonly whole: PieceTable;
  /** The text that is split: normalized, or with a space before it. */
  prepare(text: string): string;
  /** The same as `split`, on UTF-8, where there is one. */
  readonly scanner: Scanner | undefined;
  /** Calls `emit` with the parts of a text, which must be well-formed UTF-16, that are encoded one by one, in order. */
  split(text: string, emit: (part: string) => void): void;
  /** The encoder with its merges, for byte-level BPE. */
  readonly bpe: Bpe | undefined;
  /** Text of ids, where it is not that of their bytes one after the other. */
  readonly decode?: (ids: number[], skipSpecial: boolean) => string;
  /** How a normal token of these bytes is spelled. */
  spell(bytes: Uint8Array): string;
}

/** What a tokenizer is built of. */
export interface BuiltKind extends Kind {
  /** A text between its user-defined tokens, and with `special` its control tokens, too: ids for these. */
  cut(text: string, special: boolean): (number | string)[];
}

/** What each tokenizer is built of, for the other files of this package. */
export const kinds = new WeakMap<object, BuiltKind>();

/** What a tokenizer is built of. @throws InvalidArgumentError where it is not one of this package. */
export function kindOf(caller: string, tokenizer: object): BuiltKind {
  const kind = kinds.get(tokenizer);
  if (kind === undefined) {
    throw new InvalidArgumentError(
      `${caller}: the tokenizer must come from a function of @veridraft/tokenization, got another object`,
    );
  }
  return kind;
}
