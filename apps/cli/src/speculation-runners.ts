/** What answers prompts for `veridraft bench speculation`: plain decoding, a drafter in this process, or one behind both servers. */
import { createRng, type Sampling } from "@veridraft/core-probs";
import {
  Calibration,
  type DrafterName,
  generateText,
  type VerifierName,
} from "@veridraft/spec-decoding";
import { finish } from "./finish.ts";
import type { Generator } from "./generator.ts";
import type { Target } from "./local.ts";
import { generateOptions } from "./options.ts";

/** A drafter, and what verifies its drafts. */
export interface Way {
  readonly drafter: DrafterName;
  readonly verifier: VerifierName;
  /** Whether two servers do it. */
  readonly servers: boolean;
}

/** What came of a prompt. */
interface Answer {
  readonly ids: readonly number[];
  readonly rounds: number;
  readonly tokensPerSecond: number;
}

/** Answers prompts, and keeps what it learns from prompt to prompt, as on a server. */
export interface Runner {
  answer(content: string, seed: number): Promise<Answer>;
}

/** One that drafts. */
export interface DraftingRunner extends Runner {
  readonly way: Way;
}

/** How all of them generate. */
export interface Generation {
  readonly sampling: Partial<Sampling>;
  readonly maxTokens: number;
}

/** In this process, null being plain decoding. What it learns it shares with no other, which would tell it the answer. */
export function localRunner(
  { target, createDrafters }: Target,
  way: Way | null,
  { sampling, maxTokens }: Generation,
): Runner {
  const drafters = createDrafters();
  const calibration = new Calibration();
  const drafting = async ({ drafter, verifier }: Way) => {
    const coupling = verifier === "match" ? "seeded" : "optimal";
    const drafted = await drafters.create(drafter, { sampling, coupling });
    return { drafter: drafted, calibration, coupling, verifier } as const;
  };
  return {
    async answer(content, seed) {
      const { ids, statistics, tokensPerSecond } = await finish(
        generateText(target, [{ role: "user", content }], {
          key: createRng(seed),
          maxTokens,
          sampling,
          ...(way && (await drafting(way))),
          branching: target.exactTrees,
          costs: target.costs,
        }),
      );
      return { ids, rounds: statistics.rounds, tokensPerSecond };
    },
  };
}

/** By a verifier server, which asks a draft server for its `auto`. */
export function serverRunner(
  generator: Generator,
  { sampling, maxTokens }: Generation,
): DraftingRunner {
  const flags = generateOptions.parse({ ...sampling, maxTokens, drafter: "auto" });
  return {
    way: { drafter: "auto", verifier: "match", servers: true },
    async answer(content, seed) {
      const prompt = [{ role: "user", content }] as const;
      const { ids, stats } = await generator.generate({ prompt, flags, seed, onText() {} });
      return { ids, rounds: stats.rounds, tokensPerSecond: stats.tokensPerSecond };
    },
  };
}
