/** All items of a catalogue as sets of token vectors, and their scores for the outputs of a model's queries. */
import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";

/** Which items may be recommended. */
export interface ItemChoice {
  /** Items that may not, as those that the user knows. */
  readonly exclude?: ReadonlySet<number>;
  /** Only these may. */
  readonly only?: ReadonlySet<number>;
}

/** Items, best first. */
export interface RankedItems {
  readonly items: Int32Array;
  readonly scores: Float32Array;
}

/** The tokens of a catalogue. Items are numbered from 0 here. */
export interface ItemTable {
  readonly items: number;
  /**
   * (1 - beta) <o_0, token 0> + beta * the sum of <o_k, token k> over k >= 1, for each item.
   *
   * @param queries [dimensions, width] @param beta In [0, 1]: the weight of the semantic tokens.
   * @throws ShapeError, InvalidArgumentError
   */
  scores(queries: Float32Array, beta: number): Float32Array;
  /** The k best of all items: a sort of {@link ItemTable.scores}, where of equal ones the lower number is first. */
  rank(queries: Float32Array, beta: number, k: number, choice?: ItemChoice): RankedItems;
}

/**
 * A table of token vectors.
 *
 * @param dimensions For each token of the sets, the vectors of all items, [items, width]: the collaborative one, then the semantic ones.
 * @throws ShapeError where they differ in size.
 */
export function createItemTable(dimensions: readonly Float32Array[], width: number): ItemTable {
  const items = dimensions[0].length / width;
  for (const vectors of dimensions) {
    if (vectors.length !== items * width || !Number.isInteger(items)) {
      throw new ShapeError(
        `createItemTable: each dimension must be [items, ${width}], got ${dimensions.map(({ length }) => length).join(", ")} numbers`,
      );
    }
  }

  function scores(queries: Float32Array, beta: number): Float32Array {
    if (queries.length !== dimensions.length * width) {
      throw new ShapeError(
        `scores: queries must be [${dimensions.length}, ${width}], got ${queries.length} numbers`,
      );
    }
    if (!(beta >= 0 && beta <= 1)) {
      throw new InvalidArgumentError(`scores: beta must be in [0, 1], got ${beta}`);
    }
    const result = new Float32Array(items);
    dimensions.forEach((vectors, k) => {
      const weight = k === 0 ? 1 - beta : beta;
      if (weight === 0) return;
      for (let item = 0; item < items; item++) {
        let product = 0;
        for (let d = 0; d < width; d++) {
          product += queries[k * width + d] * vectors[item * width + d];
        }
        result[item] += weight * product;
      }
    });
    return result;
  }

  return {
    items,
    scores,
    rank(queries, beta, k, { exclude, only } = {}) {
      const all = scores(queries, beta);
      const allowed = [...all.keys()].filter(
        (item) => !exclude?.has(item) && (only?.has(item) ?? true),
      );
      const best = allowed.toSorted((a, b) => all[b] - all[a] || a - b).slice(0, k);
      return { items: Int32Array.from(best), scores: Float32Array.from(best, (item) => all[item]) };
    },
  };
}
