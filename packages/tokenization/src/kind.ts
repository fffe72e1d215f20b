import type { Encoder } from "./bpe.ts";
import type { TokenBytes } from "./byte-level.ts";

/** What a tokenizer takes from the kind of its vocabulary. */
export interface Kind {
  readonly tokenBytes: TokenBytes;
  readonly encoder: Encoder;
  /** Whether `split` puts a space before a text. */
  readonly addsSpace: boolean;
  /** Calls `emit` with the parts of a text that are encoded one by one, in order. */
  split(text: string, emit: (part: string) => void): void;
  /** How a normal token of these bytes is spelled. */
  spell(bytes: Uint8Array): string;
}
