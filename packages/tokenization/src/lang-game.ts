/** The questions that show whether a model knows how its tokens are spelled: LangGame and addition of Sims et al., 2025, arXiv:2506.01687 (see stochastok.ts). */
import type { Rng } from "@veridraft/core-probs";
import { InvalidArgumentError } from "@veridraft/core-probs/errors";

/** What a question asks for. */
export const langGameKinds = ["most", "contains", "starts", "ends", "longest", "shortest"] as const;
export type LangGameKind = (typeof langGameKinds)[number];

/** One question with four words to choose from; guessing is right one time in four. */
export interface LangGameQuestion {
  readonly kind: LangGameKind;
  /** Ends with " Answer:"; a model goes on with a space and a word. */
  readonly prompt: string;
  readonly options: readonly string[];
  readonly answer: string;
}

/** Draws until one fits; words of usual lists fit within a few. */
const attempts = 1000;

/**
 * Draws a question.
 *
 * @param words Lower case, the more the better: a thousand common words, say.
 * @param kind Default: any.
 * @throws InvalidArgumentError where the words give no such question.
 */
export function drawLangGame(
  words: readonly string[],
  rng: Rng,
  kind: LangGameKind = langGameKinds[drawIndex(langGameKinds.length, rng)],
): LangGameQuestion {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const answer = words[drawIndex(words.length, rng)];
    const { question, right, wrong } = ask(kind, answer, rng);
    if (!right) continue;
    const others = [...new Set(words)].filter(wrong);
    if (others.length < 3) continue;
    const options = [answer];
    while (options.length < 4) options.push(...others.splice(drawIndex(others.length, rng), 1));
    const turn = drawIndex(4, rng);
    const turned = [...options.slice(turn), ...options.slice(0, turn)];
    const prompt = `Which word ${question}? [ ${turned.join(", ")}]. Answer:`;
    return { kind, prompt, options: turned, answer };
  }
  throw new InvalidArgumentError(
    `drawLangGame: ${words.length} words give no question of the kind "${kind}"`,
  );
}

interface Asked {
  readonly question: string;
  /** Whether the answer is one. */
  readonly right: boolean;
  readonly wrong: (word: string) => boolean;
}

function ask(kind: LangGameKind, answer: string, rng: Rng): Asked {
  const length = 1 + drawIndex(Math.min(3, answer.length), rng);
  switch (kind) {
    case "most": {
      const letter = answer[drawIndex(answer.length, rng)];
      const times = (word: string): number => word.split(letter).length - 1;
      const question = `has the most letters "${letter}"`;
      return { question, right: times(answer) >= 2, wrong: (word) => times(word) <= 1 };
    }
    case "contains": {
      const start = drawIndex(answer.length - length + 1, rng);
      const part = answer.slice(start, start + length);
      return { question: `contains "${part}"`, right: true, wrong: (word) => !word.includes(part) };
    }
    case "starts": {
      const part = answer.slice(0, length);
      const question = `starts with "${part}"`;
      return { question, right: true, wrong: (word) => !word.startsWith(part) };
    }
    case "ends": {
      const part = answer.slice(-length);
      const question = `ends with "${part}"`;
      return { question, right: true, wrong: (word) => !word.endsWith(part) };
    }
    case "longest":
      return {
        question: "is the longest",
        right: answer.length >= 7,
        wrong: (word) => word.length <= 4,
      };
    case "shortest":
      return {
        question: "is the shortest",
        right: answer.length <= 3,
        wrong: (word) => word.length >= 6,
      };
  }
}

/**
 * An addition as the paper writes it, the sum backwards: both numbers are halves of one of 2 `digits` digits, so the second may have fewer.
 *
 * @example drawAddition(3, rng) // such as { prompt: "$123+45=", answer: "861" }
 */
export function drawAddition(digits: number, rng: Rng): { prompt: string; answer: string } {
  const base = 10 ** digits;
  const left = base / 10 + drawIndex(base - base / 10, rng);
  const right = drawIndex(base, rng);
  return { prompt: `$${left}+${right}=`, answer: [...String(left + right)].toReversed().join("") };
}

function drawIndex(count: number, rng: Rng): number {
  return Math.floor(rng.uniform() * count);
}
