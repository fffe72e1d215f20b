import { DegenerateDistributionError, UnsupportedError } from "../errors.ts";
import type { Purpose, Rng, RngKey } from "../rng.ts";
import { gumbelCoupling, lawOf } from "./gumbel-coupling.ts";

/**
 * The exact law of what a program returns: runs it once for every sequence of outcomes of its random decisions and adds up their probabilities.
 *
 * Streams behave as those of `createRng`: a stream that is opened again goes through the same uniform variables, and the noise of `gumbel` belongs
 * to the token id, so that two laws drawn with one stream are coupled exactly as they are there.
 *
 * @param program May draw with `bernoulli`, `categorical` and `gumbel`; what it returns must depend on nothing else that changes between runs.
 * @returns The probability of each outcome, keyed by `String(outcome)`; two draws `[1, 0]` have the key `"1,0"`.
 * @throws UnsupportedError where the program calls `uniform`, whose outcomes cannot be listed, or draws three different laws with the noise of
 * one stream.
 * @example await exactLaw((key) => key.at(0, "sample").categorical([1, 3])) // Map { "0" => 0.25, "1" => 0.75 }
 */
export async function exactLaw(program: (key: RngKey) => unknown): Promise<Map<string, number>> {
  const law = new Map<string, number>();
  const decisions = new Decisions();
  do {
    // oxlint-disable-next-line no-await-in-loop -- one run decides what the next one replays
    const outcome = String(await program(new EnumeratedKey(decisions)));
    law.set(outcome, (law.get(outcome) ?? 0) + decisions.probability);
  } while (decisions.advance());
  return law;
}

/** Depth-first walk over all sequences of decisions: a prefix is replayed, what follows takes the first possible outcome. */
class Decisions {
  #path: { readonly probs: ArrayLike<number>; outcome: number }[] = [];
  #at = 0;
  probability = 1;

  /** An outcome of positive probability under `probs`. */
  decide(probs: ArrayLike<number>): number {
    if (this.#at === this.#path.length) this.#path.push({ probs, outcome: next(probs, 0) });
    const { outcome } = this.#path[this.#at++];
    this.probability *= probs[outcome];
    return outcome;
  }

  /** Moves to the next sequence; false after the last one. */
  advance(): boolean {
    this.#at = 0;
    this.probability = 1;
    for (;;) {
      const last = this.#path.at(-1);
      if (!last) return false;
      last.outcome = next(last.probs, last.outcome + 1);
      if (last.outcome < last.probs.length) return true;
      this.#path.pop();
    }
  }
}

function next(probs: ArrayLike<number>, from: number): number {
  let outcome = from;
  while (outcome < probs.length && !(probs[outcome] > 0)) outcome++;
  return outcome;
}

/** What is known of one uniform variable behind a draw: low <= u < high. */
interface Interval {
  low: number;
  high: number;
}

/** What one stream has decided in this run. */
interface StreamState {
  readonly draws: Interval[];
  /** Laws drawn with the token noise, each with the id that came out. */
  readonly noisy: { readonly law: Float64Array; readonly id: number }[];
}

class EnumeratedKey implements RngKey {
  readonly #decisions: Decisions;
  readonly #streams = new Map<string, StreamState>();

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  at(position: number, purpose: Purpose): Rng {
    const name = `${purpose} at ${position}`;
    let state = this.#streams.get(name);
    if (!state) this.#streams.set(name, (state = { draws: [], noisy: [] }));
    return new EnumeratedStream(this.#decisions, state, name);
  }
}

class EnumeratedStream implements Rng {
  readonly #decisions: Decisions;
  readonly #state: StreamState;
  readonly #name: string;
  #drawn = 0;

  constructor(decisions: Decisions, state: StreamState, name: string) {
    this.#decisions = decisions;
    this.#state = state;
    this.#name = name;
  }

  uniform(): number {
    throw new UnsupportedError(
      "exactLaw: uniform() cannot be enumerated; draw with bernoulli, categorical or gumbel",
    );
  }

  bernoulli(p: number): boolean {
    const chance = Math.min(1, Math.max(0, p));
    return this.#draw([0, chance, 1]) === 0;
  }

  categorical(weights: ArrayLike<number>): number {
    const positive = Float64Array.from(weights, (weight) => Math.max(0, weight));
    let sum = 0;
    for (const weight of positive) sum += weight;
    if (!(sum > 0)) {
      throw new DegenerateDistributionError(
        `categorical: none of ${weights.length} weights is positive`,
      );
    }
    const bounds = [0];
    let below = 0;
    for (const weight of positive) bounds.push((below += weight) / sum);
    return this.#draw(bounds);
  }

  gumbel(logits: ArrayLike<number>, ids: ArrayLike<number> | null): number {
    const compact = lawOf(logits);
    if (!compact.some((mass) => mass > 0)) {
      throw new DegenerateDistributionError(`gumbel: all ${logits.length} logits are masked`);
    }
    let size = compact.length;
    if (ids !== null) for (let j = 0; j < ids.length; j++) size = Math.max(size, ids[j] + 1);
    const law = new Float64Array(size);
    for (let j = 0; j < compact.length; j++) law[ids === null ? j : ids[j]] = compact[j];

    const { noisy } = this.#state;
    const same = noisy.find((earlier) => equalLaws(earlier.law, law));
    if (same) return same.id;
    if (noisy.length > 1) {
      throw new UnsupportedError(
        `exactLaw: three different laws are drawn with the noise of "${this.#name}"`,
      );
    }
    const id = this.#decisions.decide(
      noisy.length === 0 ? law : gumbelCoupling(...padded(noisy[0].law, law), noisy[0].id),
    );
    noisy.push({ law, id });
    return id;
  }

  /** Which of the intervals between `bounds` holds the uniform variable of this stream's next draw. */
  #draw(bounds: readonly number[]): number {
    const known = (this.#state.draws[this.#drawn++] ??= { low: 0, high: 1 });
    const overlaps = bounds.slice(1).map((high, i) => {
      const overlap = Math.min(known.high, high) - Math.max(known.low, bounds[i]);
      return Math.max(0, overlap / (known.high - known.low));
    });
    const outcome = this.#decisions.decide(overlaps);
    known.low = Math.max(known.low, bounds[outcome]);
    known.high = Math.min(known.high, bounds[outcome + 1]);
    return outcome;
  }
}

function padded(a: Float64Array, b: Float64Array): [Float64Array, Float64Array] {
  const size = Math.max(a.length, b.length);
  const widen = (law: Float64Array): Float64Array => {
    const wide = new Float64Array(size);
    wide.set(law);
    return wide;
  };
  return [widen(a), widen(b)];
}

function equalLaws(a: Float64Array, b: Float64Array): boolean {
  const [wideA, wideB] = padded(a, b);
  return wideA.every((mass, j) => mass === wideB[j]);
}
