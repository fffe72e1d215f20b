import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import type { Tokenizer } from "./tokenizer.ts";

/** How a stream turns ids into text. */
export interface DecodeStreamOptions {
  /** Texts that end the stream; they are not emitted themselves. */
  readonly stop?: readonly string[];
  /**
   * Leave control tokens out of the text.
   *
   * @default false
   */
  readonly skipSpecial?: boolean;
}

/** Text of a generation, token by token. */
export interface DecodeStream {
  /** Takes one id and returns the text that is certain by now, often "". After a stop it returns "". */
  push(id: number): string;
  /** Returns what was held back; bytes that never became a character are U+FFFD. */
  end(): string;
  /** Whether a stop text was seen. */
  readonly stopped: boolean;
}

/**
 * Decodes ids one at a time. Never emits half a character, nor text that may turn out to be the start of a stop text. All pieces together are
 * `tokenizer.decode` of all ids, up to the stop text that is complete first; but as a stream goes on from a prompt, a space at its start stays, which
 * `decode` takes for the one that SentencePiece puts before a text.
 *
 * @example
 * const stream = createDecodeStream(tokenizer, { stop: ["\n\n"], skipSpecial: true });
 * for await (const id of ids) {
 *   process.stdout.write(stream.push(id));
 *   if (stream.stopped) break;
 * }
 * process.stdout.write(stream.end());
 */
export function createDecodeStream(
  tokenizer: Tokenizer,
  options: DecodeStreamOptions = {},
): DecodeStream {
  const stop = options.stop ?? [];
  if (stop.includes("")) {
    throw new InvalidArgumentError('createDecodeStream: a stop text must not be empty, got ""');
  }
  const longestHeld = Math.max(0, ...stop.map((text) => text.length - 1));
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let held = "";
  let stopped = false;

  /** Adds text and takes out what is certain. */
  function release(text: string, final: boolean): string {
    held += text;
    let end = Infinity;
    let start = 0;
    for (const word of stop) {
      const at = held.indexOf(word);
      if (at < 0 || at + word.length > end) continue;
      // Complete first wins; of two that end together, the longer.
      if (at + word.length < end || at < start) start = at;
      end = at + word.length;
    }
    if (end < Infinity) {
      const certain = held.slice(0, start);
      stopped = true;
      held = "";
      return certain;
    }
    const keep = final ? 0 : heldBack(held, stop, longestHeld);
    const certain = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return certain;
  }

  return {
    get stopped() {
      return stopped;
    },
    push(id) {
      if (stopped) return "";
      if (options.skipSpecial === true && tokenizer.isSpecial(id)) return "";
      return release(decoder.decode(tokenizer.tokenBytes(id), { stream: true }), false);
    },
    end() {
      return stopped ? "" : release(decoder.decode(), true);
    },
  };
}

/** Length of the longest suffix of `text` with which a stop text begins. */
function heldBack(text: string, stop: readonly string[], longest: number): number {
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const suffix = text.slice(text.length - length);
    if (stop.some((word) => word.length > length && word.startsWith(suffix))) return length;
  }
  return 0;
}
