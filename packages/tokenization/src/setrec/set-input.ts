/** The rows of a prompt that holds items as sets of tokens: which row sees which, and where each stands. */
import { InvalidArgumentError } from "@veridraft/core-probs";

/** Instruction, items of `itemTokens` rows each, the text after them, queries: how many of each. */
export interface SetLayout {
  readonly before: number;
  readonly items: number;
  readonly itemTokens: number;
  readonly after: number;
  readonly queries: number;
}

/**
 * What the tokens of one item see of each other: themselves alone, or all, as in the authors' encoder (where all of the text before the queries sees
 * itself), or, as in any language model, those before them.
 */
export type HistoryMask = "sparse" | "full" | "causal";

/** Places as the paper's code counts, with gaps behind the items and a place for each query, or without. */
export type SetPositions = "compact" | "reference";

function checkLayout(caller: string, layout: SetLayout): number {
  for (const [name, value] of Object.entries(layout)) {
    if (!(Number.isSafeInteger(value) && value >= 0)) {
      throw new InvalidArgumentError(
        `${caller}: ${name} must be an integer of at least 0, got ${value}`,
      );
    }
  }
  const { before, items, itemTokens, after, queries } = layout;
  return before + items * itemTokens + after + queries;
}

/**
 * Which row sees which, [rows, rows], 1 where it does. No query sees another.
 *
 * @throws InvalidArgumentError for a negative count.
 */
export function setMask(layout: SetLayout, historyMask: HistoryMask = "sparse"): Uint8Array {
  const rows = checkLayout("setMask", layout);
  const { before, items, itemTokens, queries } = layout;
  const historyEnd = before + items * itemTokens;
  const firstQuery = rows - queries;
  const itemOf = (row: number): number =>
    row >= before && row < historyEnd ? Math.floor((row - before) / itemTokens) : -1;
  const mask = new Uint8Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    const end = historyMask === "full" && i < firstQuery ? firstQuery : i + 1;
    for (let j = 0; j < end; j++) {
      const siblings = historyMask === "sparse" && itemOf(i) >= 0 && itemOf(i) === itemOf(j);
      const hidden = i !== j && (siblings || (i >= firstQuery && j >= firstQuery));
      mask[i * rows + j] = hidden ? 0 : 1;
    }
  }
  return mask;
}

/**
 * The place of each row: the tokens of an item share one. In the compact form the queries share one, too, and no place is left out.
 *
 * @throws InvalidArgumentError for a negative count.
 */
export function setPositions(layout: SetLayout, form: SetPositions = "compact"): Int32Array {
  const rows = checkLayout("setPositions", layout);
  const { before, items, itemTokens, after, queries } = layout;
  const historyEnd = before + items * itemTokens;
  const shift = form === "compact" ? items * itemTokens - items : 0;
  return Int32Array.from({ length: rows }, (_, i) => {
    if (i < before) return i;
    if (i < historyEnd) return before + Math.floor((i - before) / itemTokens);
    if (form === "compact" && i >= rows - queries) return before + items + after;
    return i - shift;
  });
}
