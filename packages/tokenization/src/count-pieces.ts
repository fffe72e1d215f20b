/** The first pass of training: how often each piece occurs in a stream of texts, in bounded memory. */
import { InvalidArgumentError } from "@veridraft/core-probs/errors";

/** Cuts a text into pieces. */
export type SplitText = (text: string, emit: (piece: string) => void) => void;

/** Pieces and their counts. */
export interface PieceCounts {
  readonly counts: ReadonlyMap<string, number>;
  /** Pieces in the texts, each time they occur. */
  readonly total: number;
  /** Every count is exact, or this much too low at most: above 0 where rare pieces were dropped to stay within the bound. */
  readonly missedAtMost: number;
}

/**
 * Counts the pieces of texts that come one by one.
 *
 * Memory is bounded by `mostPieces` distinct pieces: above it, the rarest are dropped until a half is left (lossy counting, as of Manku and Motwani,
 * "Approximate Frequency Counts over Data Streams", 2002), and `missedAtMost` says what that may cost.
 *
 * @throws InvalidArgumentError where `mostPieces` is below 1.
 */
export async function countPieces(
  texts: Iterable<string> | AsyncIterable<string>,
  split: SplitText,
  mostPieces: number = 2 ** 22,
): Promise<PieceCounts> {
  if (!(mostPieces >= 1)) {
    throw new InvalidArgumentError(`countPieces: mostPieces must be >= 1, got ${mostPieces}`);
  }
  const counts = new Map<string, number>();
  let total = 0;
  let missedAtMost = 0;
  for await (const text of texts) {
    split(text, (piece) => {
      total++;
      counts.set(piece, (counts.get(piece) ?? 0) + 1);
    });
    if (counts.size > mostPieces) missedAtMost += dropRarest(counts, mostPieces >> 1);
  }
  return { counts, total, missedAtMost };
}

/** Drops the rarest until at most `keep` are left; returns the count up to which all are gone. */
function dropRarest(counts: Map<string, number>, keep: number): number {
  const sorted = Float64Array.from(counts.values()).toSorted();
  const threshold = sorted[sorted.length - 1 - keep];
  for (const [piece, count] of counts) if (count <= threshold) counts.delete(piece);
  return threshold;
}
