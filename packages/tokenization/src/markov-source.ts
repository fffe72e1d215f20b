/** Markov chains over letters, with their exact entropies: texts whose best possible compression is known. */
import { entropy, InvalidArgumentError, type Rng, ShapeError } from "@veridraft/core-probs";

/** A stationary source of texts. Letters are the digits "0", "1" and so on; entropies are in nats a letter. */
export interface MarkovSource {
  readonly alphabet: string;
  /** Letters that the next one depends on. */
  readonly order: number;
  /** No model has a smaller loss. */
  readonly entropyRate: number;
  /** Law of one letter. */
  readonly stationary: Float64Array;
  /** Loss of the best model of single letters. */
  readonly stationaryEntropy: number;
  /** The smallest probability that a letter has after some context. */
  readonly minTransition: number;
  sample(length: number, rng: Rng): string;
  /** ln P(text) at any place of a long text. */
  logProb(text: string): number;
}

/** Enough for a chain whose second eigenvalue is .999. */
const iterations = 20_000;

/**
 * A chain of the letters before. rows[c] is the law after context c, the `order` letters before read as a number in base `letters`, oldest first.
 *
 * @throws ShapeError where there is not one row for each context; InvalidArgumentError for a row that is no law.
 * @example matrixSource([[0.9, 0.1], [0.5, 0.5]]) // 0 is followed by 0 nine times in ten
 */
export function matrixSource(rows: readonly (readonly number[])[]): MarkovSource {
  const letters = rows[0]?.length ?? 0;
  const order = Math.max(1, Math.round(Math.log(rows.length) / Math.log(letters)));
  if (letters < 2 || letters ** order !== rows.length) {
    throw new ShapeError(
      `matrixSource: ${rows.length} rows are no power of their ${letters} letters, of which there must be 2 or more`,
    );
  }
  rows.forEach((row, context) => {
    const total = row.reduce((sum, p) => sum + p, 0);
    if (!row.every((p) => p >= 0) || !(Math.abs(total - 1) < 1e-9)) {
      throw new InvalidArgumentError(
        `matrixSource: row ${context} must be probabilities with sum 1, got ${row.join(" ")}`,
      );
    }
  });
  const contexts = rows.length;
  const follow = (context: number, letter: number): number =>
    (context * letters + letter) % contexts;
  const contextLaw = stationaryLaw(rows, follow);
  const stationary = new Float64Array(letters);
  let entropyRate = 0;
  for (let context = 0; context < contexts; context++) {
    stationary[context % letters] += contextLaw[context];
    entropyRate += contextLaw[context] * entropy(rows[context]);
  }
  return {
    alphabet: Array.from({ length: letters }, (_, letter) => letter.toString(36)).join(""),
    order,
    entropyRate,
    stationary,
    stationaryEntropy: entropy(stationary),
    minTransition: Math.min(...rows.flat()),
    sample(length, rng) {
      let context = rng.categorical(contextLaw);
      let text = "";
      for (let i = 0; i < length; i++) {
        const letter = rng.categorical(rows[context]);
        text += letter.toString(36);
        context = follow(context, letter);
      }
      return text;
    },
    logProb(text) {
      let total = 0;
      for (let start = 0; start < contexts; start++) {
        let context = start;
        let p = contextLaw[start];
        for (const character of text) {
          const letter = Number.parseInt(character, 36);
          p *= rows[context][letter] ?? 0;
          context = follow(context, letter);
        }
        total += p;
      }
      return Math.log(total);
    },
  };
}

/**
 * The switching source on 0 and 1: a letter depends on the one `order` places before; P(1 after 0) = p, P(0 after 1) = q.
 *
 * @throws InvalidArgumentError for an order below 1 or probabilities outside (0, 1).
 */
export function switchingSource(order: number, p: number, q: number): MarkovSource {
  if (!(Number.isInteger(order) && order >= 1)) {
    throw new InvalidArgumentError(
      `switchingSource: order must be an integer of at least 1, got ${order}`,
    );
  }
  if (!(p > 0 && p < 1 && q > 0 && q < 1)) {
    throw new InvalidArgumentError(`switchingSource: p and q must be in (0, 1), got ${p} and ${q}`);
  }
  return matrixSource(
    Array.from({ length: 2 ** order }, (_, context) =>
      context < 2 ** (order - 1) ? [1 - p, p] : [q, 1 - q],
    ),
  );
}

/** A random chain: the law after each context is drawn from Dirichlet(1, ..., 1). */
export function dirichletSource(letters: number, order: number, rng: Rng): MarkovSource {
  return matrixSource(
    Array.from({ length: letters ** order }, () => {
      const masses = Array.from({ length: letters }, () => -Math.log(1 - rng.uniform()));
      const total = masses.reduce((sum, mass) => sum + mass, 0);
      return masses.map((mass) => mass / total);
    }),
  );
}

/** The law of contexts that a step does not change, by lazy power iteration, which converges for periodic chains, too. */
function stationaryLaw(
  rows: readonly (readonly number[])[],
  follow: (context: number, letter: number) => number,
): Float64Array {
  let law = new Float64Array(rows.length).fill(1 / rows.length);
  for (let i = 0; i < iterations; i++) {
    const next = new Float64Array(rows.length);
    let change = 0;
    rows.forEach((row, context) => {
      next[context] += law[context] / 2;
      row.forEach((p, letter) => (next[follow(context, letter)] += (law[context] * p) / 2));
    });
    next.forEach((p, context) => (change += Math.abs(p - law[context])));
    law = next;
    if (change < 1e-15) break;
  }
  return law;
}
