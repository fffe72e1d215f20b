/**
 * The chunks that TokenAdapt's supertokens are trained on: pieces of text whose lengths are drawn from a table, so that a token may span words.
 *
 * Sharthak et al., 2025, arXiv:2505.09738, and their SuperTokenizer. The table's weights are normalized: the published ones sum to 1.1, which the published
 * program refuses.
 */
import type { Rng } from "@veridraft/core-probs";
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import type { SplitText } from "./count-pieces.ts";

/** Lengths of chunks in characters, both ends included, and how often they are drawn. */
export interface LengthRange {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}

/** The published table: lengths about 13, shaped like a bell. */
export const supertokenLengths: readonly LengthRange[] = [
  0.044, 0.091, 0.146, 0.171, 0.185, 0.171, 0.146, 0.091, 0.044, 0.011,
].map((weight, i) => ({ from: 4 + 2 * i, to: 5 + 2 * i, weight }));

/**
 * Lengths of the chunks of a text: together its length; each but the last is of a range.
 *
 * @throws InvalidArgumentError for a table without ranges, or with one that is not 1 <= from <= to.
 */
export function chunkLengths(length: number, table: readonly LengthRange[], rng: Rng): number[] {
  const bad = table.find(({ from, to }) => !(Number.isInteger(from) && from >= 1 && to >= from));
  if (bad || table.length === 0) {
    throw new InvalidArgumentError(
      `chunkLengths: the table must have ranges with 1 <= from <= to, got ${bad ? `${bad.from} to ${bad.to}` : "none"}`,
    );
  }
  const least = Math.min(...table.map(({ from }) => from));
  const weights = table.map(({ weight }) => weight);
  const lengths: number[] = [];
  for (let left = length; left > 0;) {
    const { from, to } = table[rng.categorical(weights)];
    const low = Math.min(from, left);
    const drawn = low + Math.floor(rng.uniform() * (Math.min(to, left) - low + 1));
    const chunk = left < least ? left : drawn;
    lengths.push(chunk);
    left -= chunk;
  }
  return lengths;
}

/** A split for `trainBpe` into chunks of these lengths. @throws InvalidArgumentError as {@link chunkLengths}. */
export function randomLengthSplit(table: readonly LengthRange[], rng: Rng): SplitText {
  return (text, emit) => {
    const characters = Array.from(text);
    let start = 0;
    for (const length of chunkLengths(characters.length, table, rng)) {
      emit(characters.slice(start, start + length).join(""));
      start += length;
    }
  };
}
