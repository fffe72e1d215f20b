/**
 * Which rows run next, where forwards of several sequences wait.
 *
 * Every forward that is short runs whole in the next run that has a slot for it, in order of arrival. One long forward, a prompt, takes the last slot
 * with a chunk of its rows; where there are several, they take turns. So a stream waits for its neighbours' rows, never for a whole prompt.
 */

/** What is left of a forward. */
export interface Waiting {
  /** Rows that have not run. */
  readonly left: number;
  /** False for a tree, whose nodes see each other. */
  readonly divisible: boolean;
}

/** Rows of a long forward beside others: a run with them takes some four times as long as one without. */
const sharedRows = 64;
/** Rows of a long forward alone; between two runs it can be aborted and others join. */
const aloneRows = 256;

/**
 * Chooses what runs next.
 *
 * @param waiting In order of arrival, at least one; a long one that has just run stands last.
 * @param slots Forwards that a run can hold.
 * @param mostRows Most rows of a forward alone that is divisible.
 * @returns Indices of those that run, and their rows.
 */
export function nextRun(
  waiting: readonly Waiting[],
  slots: number,
  mostRows = aloneRows,
): { readonly index: number; readonly rows: number }[] {
  if (waiting.length === 1 || slots === 1) {
    const [{ left, divisible }] = waiting;
    return [{ index: 0, rows: divisible ? Math.min(left, aloneRows, mostRows) : left }];
  }
  const isLong = ({ left, divisible }: Waiting): boolean => divisible && left > sharedRows;
  const long = waiting.findIndex(isLong);
  const chosen = waiting
    .map((each, index) => ({ index, rows: each.left, long: isLong(each) }))
    .filter((each) => !each.long)
    .slice(0, long < 0 ? slots : slots - 1)
    .map(({ index, rows }) => ({ index, rows }));
  if (long < 0) return chosen;
  const most = chosen.length === 0 ? aloneRows : sharedRows;
  return [...chosen, { index: long, rows: Math.min(waiting[long].left, most) }];
}
