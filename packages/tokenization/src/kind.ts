import type { Encoder } from "./bpe.ts";
import type { TokenBytes } from "./byte-level.ts";
import type { Scanner } from "./scanners.ts";

/** What a tokenizer takes from the kind of its vocabulary. */
export interface Kind {
  readonly tokenBytes: TokenBytes;
  readonly encoder: Encoder;
  /** Whether `prepare` puts a space before a text. */
  readonly addsSpace: boolean;
  /** Tokens that a piece of the same bytes becomes. */
  readonly wholeIds: Iterable<number>;
  /** The text that is split: normalized, or with a space before it. */
  prepare(text: string): string;
  /** The same as `split`, on UTF-8, where there is one. */
  readonly scanner: Scanner | undefined;
  /** Calls `emit` with the parts of a text, which must be well-formed UTF-16, that are encoded one by one, in order. */
  split(text: string, emit: (part: string) => void): void;
  /** How a normal token of these bytes is spelled. */
  spell(bytes: Uint8Array): string;
}
