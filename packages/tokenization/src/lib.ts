/**
 * LiB ("Less is Better"): learns a ranked lexicon of parts of words, words and phrases, one article after the other, for few tokens of few types.
 *
 * Yang, "Rethinking Tokenization: Crafting Better Tokenizers for Large Language Models", 2024, arXiv:2403.00417; Yang, Frank, van den Bosch, "Less is
 * Better: A cognitively inspired unsupervised model for language segmentation", CogALex 2020.
 *
 * Read a sentence from left to right by longest match. An unknown symbol becomes a unit; with probability alpha (inRate) so does a unit with its left
 * neighbor. New units are on probation for tau (life) articles: seen again with the same neighbors they grow, with other neighbors they stay.
 * Where the second longest match, read on to the same place, gives a better segmentation, it moves to the front and the longest one to the back, by a share
 * delta (updateRate) of their ranks. After each article units whose probation is over go, and the last share omega (outRate) is on probation anew.
 *
 * Departures: rewards act on the ranks as they are (the authors' code works on an index that is not renewed); where encoding meets a unit without a shorter
 * match it takes the unit, not one symbol (theirs emits symbols that may be no units); symbols without a unit are coded as bytes.
 */
import type { Rng } from "@veridraft/core-probs";
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import { forcedLength, RankedLexicon, segmentsBetter, type Symbols } from "./lib-lexicon.ts";

export interface LibOptions {
  /** alpha: how often a unit is joined with its left neighbor. Default 0.25. */
  readonly inRate?: number;
  /** omega: share of the lexicon that is on probation after an article. Default 0.01. */
  readonly outRate?: number;
  /** tau: articles of a probation. Default 3. */
  readonly life?: number;
  /** delta: share of its rank by which a unit moves. Default 0.1. */
  readonly updateRate?: number;
  /** Longest unit in code points. Default Infinity. */
  readonly maxUnitLength?: number;
}

/** Units left and right of a unit when it was first seen, "" at an end; null where that does not matter. */
type Neighbors = readonly [left: string, right: string] | null;

/** A second longest match that reads on beside the longest one, until both stand at one place. */
interface Evaluation {
  readonly unit: string;
  readonly usual: string[];
  readonly other: string[];
  /** Where `other` has come to. */
  end: number;
}

/** An online learner. Feed it articles; the lexicon may be looked at between them. */
export class LibTrainer {
  readonly lexicon = new RankedLexicon();
  readonly #options: Required<LibOptions>;
  readonly #rng: Rng;
  readonly #probation = new Map<string, { life: number; neighbors: Neighbors }>();
  #rewards: { unit: string; step: 1 | -1 }[] = [];

  /** @throws InvalidArgumentError for a rate outside [0, 1] or a life or length below 1. */
  constructor(options: LibOptions, rng: Rng) {
    this.#options = {
      inRate: 0.25,
      outRate: 0.01,
      life: 3,
      updateRate: 0.1,
      maxUnitLength: Infinity,
      ...options,
    };
    for (const name of ["inRate", "outRate", "updateRate"] as const) {
      const rate = this.#options[name];
      if (!(rate >= 0 && rate <= 1)) {
        throw new InvalidArgumentError(`LibTrainer: ${name} must be in [0, 1], got ${rate}`);
      }
    }
    for (const name of ["life", "maxUnitLength"] as const) {
      const bound = this.#options[name];
      if (!(bound >= 1)) {
        throw new InvalidArgumentError(`LibTrainer: ${name} must be at least 1, got ${bound}`);
      }
    }
    this.#rng = rng;
  }

  /** Reads one article; its sentences are segmented apart, spaces are symbols as any other. */
  learn(sentences: Iterable<string>): void {
    for (const sentence of sentences) this.#read([...sentence]);
    this.#forget();
    this.#rerank();
    this.#mark();
  }

  /** Units that are not on probation, best first. */
  finish(): string[] {
    return this.lexicon.units.filter((unit) => !this.#probation.has(unit));
  }

  #read(text: Symbols): void {
    const evaluations = new Map<string, Evaluation>();
    let left = "";
    let farLeft = "";
    for (let at = 0; at < text.length;) {
      this.#evaluate(evaluations, text, at);
      const { longest, second } = this.lexicon.match(text, at);
      const end = at + (longest || 1);
      const unit = text.slice(at, end).join("");
      const right = this.#unitAt(text, end);
      for (const { usual } of evaluations.values()) usual.push(unit);
      const waiting = longest > 0 ? this.#probation.get(unit) : undefined;
      if (waiting) this.#tryOut(unit, waiting.neighbors, text, { end, left, farLeft, right });
      if (longest === 0) {
        this.#memorize(unit, [left, right]);
      } else {
        if (longest > 1 && second > 0) {
          const other = [text.slice(at, at + second).join("")];
          evaluations.set(unit, { unit, usual: [unit], other, end: at + second });
        }
        if (this.#rng.bernoulli(this.#options.inRate)) {
          this.#memorize(left + unit, [farLeft, right]);
        }
      }
      farLeft = left;
      left = unit;
      at = end;
    }
  }

  /** The second sighting of a unit on probation: it grows where a neighbor is the same as at the first, else it is accepted. */
  #tryOut(
    unit: string,
    neighbors: Neighbors,
    text: Symbols,
    seen: { end: number; left: string; farLeft: string; right: string },
  ): void {
    const { end, left, farLeft, right } = seen;
    if (neighbors !== null) {
      const [oldLeft, oldRight] = neighbors;
      if (oldLeft === "" && oldRight === "" && left === "" && right === "") return;
      const sameLeft = left !== "" && oldLeft !== "" && agree(left, oldLeft, "endsWith");
      const sameRight = right !== "" && oldRight !== "" && agree(right, oldRight, "startsWith");
      if (sameLeft) this.#memorize(left + unit, [farLeft, right]);
      if (sameRight) {
        const beyond = end + forcedLength(this.lexicon, text, end);
        this.#memorize(unit + right, [left, this.#unitAt(text, beyond)]);
      }
      if (sameLeft || sameRight) return;
      this.#rewards.push({ unit, step: -1 });
    }
    this.#probation.delete(unit);
  }

  #memorize(unit: string, neighbors: Neighbors): void {
    if (this.lexicon.has(unit) || [...unit].length > this.#options.maxUnitLength) return;
    this.lexicon.append(unit);
    this.#probation.set(unit, { life: this.#options.life, neighbors });
  }

  /** Reads the other segmentations on to `at`, and judges those that stand there. */
  #evaluate(evaluations: Map<string, Evaluation>, text: Symbols, at: number): void {
    for (const evaluation of evaluations.values()) {
      const { unit, usual, other } = evaluation;
      while (evaluation.end < at) {
        other.push(this.#unitAt(text, evaluation.end));
        evaluation.end += forcedLength(this.lexicon, text, evaluation.end);
      }
      if (evaluation.end > at) continue;
      const better = segmentsBetter(this.lexicon, other, usual);
      this.#rewards.push({ unit: better ? other[0] : unit, step: -1 });
      if (better) this.#rewards.push({ unit, step: 1 });
      evaluations.delete(unit);
    }
  }

  #unitAt(text: Symbols, at: number): string {
    return text.slice(at, at + forcedLength(this.lexicon, text, at)).join("");
  }

  #forget(): void {
    for (const [unit, waiting] of this.#probation) {
      waiting.life--;
      if (waiting.life >= 1) continue;
      this.#probation.delete(unit);
      this.lexicon.remove(unit);
    }
  }

  #rerank(): void {
    for (const { unit, step } of this.#rewards)
      moveByShare(this.lexicon, unit, step, this.#options.updateRate);
    this.#rewards = [];
  }

  #mark(): void {
    const { units } = this.lexicon;
    for (const unit of units.slice(Math.floor((1 - this.#options.outRate) * units.length))) {
      if (!this.#probation.has(unit)) {
        this.#probation.set(unit, { life: this.#options.life, neighbors: null });
      }
    }
  }
}

/** Moves a unit up (-1) or down (1) by floor(rank * share) + 1 ranks; the first stays, and what falls off the end goes. */
export function moveByShare(
  lexicon: RankedLexicon,
  unit: string,
  step: 1 | -1,
  share: number,
): void {
  const rank = lexicon.rank(unit);
  if (rank === undefined || rank === 0) return;
  const to = rank + step * (Math.floor(rank * share) + 1);
  if (to >= lexicon.size) lexicon.remove(unit);
  else lexicon.move(unit, Math.max(to, 0));
}

/** Whether one of two texts begins or ends with the other. */
function agree(a: string, b: string, how: "startsWith" | "endsWith"): boolean {
  return a[how](b) || b[how](a);
}
