import { type Distribution, type Rng, sample } from "@veridraft/core-probs";

/** How the next child of a node is found, given the draft's law without the children that the node has. */
export interface ChildChoice {
  /** Whether `next` draws from the law it is given, which the verifier then needs. */
  readonly drawn: boolean;
  /** A token of positive probability. @param depth Of the child; 1 below the root. */
  next(rest: Distribution, depth: number): number;
}

/**
 * Children drawn without replacement. All from one stream, of one round: where a draw at depth d decides whether a node above it gets another
 * child, a later round must not use the same noise again.
 */
export function drawnChildren(rng: Rng): ChildChoice {
  return { drawn: true, next: (rest) => sample(rest, rng) };
}

/** The likeliest children; ties: the lowest id. */
export const likeliestChildren: ChildChoice = {
  drawn: false,
  next: ({ ids, probs }) => {
    let best = 0;
    for (let j = 1; j < probs.length; j++) if (probs[j] > probs[best]) best = j;
    return ids === null ? best : ids[best];
  },
};

/** `law` without `id`, renormalized; null where nothing is left. */
export function withoutToken({ ids, probs }: Distribution, id: number): Distribution | null {
  const place = ids === null ? id : ids.indexOf(id);
  const rest = probs.slice();
  rest[place] = 0;
  let sum = 0;
  for (let j = 0; j < rest.length; j++) sum += rest[j];
  if (!(sum > 0)) return null;
  for (let j = 0; j < rest.length; j++) rest[j] /= sum;
  return { ids, probs: rest };
}
