/** What generates for a command: this process, or a verifier server. */
import { randomBytes } from "node:crypto";
import type { TokenLogProb } from "@veridraft/spec-decoding";
import type { ChatMessage } from "@veridraft/tokenization";
import type { GenerateFlags } from "./options.ts";

/** Plain text that is continued, or a conversation that is answered. */
export type Prompt = string | readonly ChatMessage[];

/** One generation. */
export interface GenerationRequest {
  readonly prompt: Prompt;
  readonly flags: GenerateFlags;
  readonly seed: number;
  /** Gets the text as it comes, in whole characters. */
  onText(text: string): void;
  readonly signal?: AbortSignal;
}

/** What a generation came to. */
export interface Generated {
  readonly text: string;
  readonly ids: readonly number[];
  /** One for each id where flags ask for them, otherwise none. */
  readonly logProbs: readonly TokenLogProb[];
  readonly finishReason: "stop" | "length";
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
  readonly stats: {
    readonly rounds: number;
    readonly proposed: number;
    readonly accepted: number;
    readonly meanAcceptanceLength: number;
    readonly drafter: string;
    /** Whether the text has exactly the law of the target. */
    readonly lossless: boolean;
    readonly tokensPerSecond: number;
  };
}

/** Generates until it is disposed. */
export interface Generator {
  /** @throws the signal's reason where it aborts; errors of the engine or the server. */
  generate(request: GenerationRequest): Promise<Generated>;
  /** The text of each token alone. */
  pieces(ids: readonly number[]): Promise<string[]>;
  dispose(): Promise<void>;
}

/** A seed for a generation that was given none. */
export function drawSeed(): number {
  return randomBytes(4).readUInt32LE();
}
