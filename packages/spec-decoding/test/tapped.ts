import {
  argmax,
  type DraftHead,
  type ForwardOptions,
  type HeadRow,
  type Matrix,
  type TappedModel,
  type TappedSequence,
  type TreeSequence,
} from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";

/** A Markov chain whose hidden states at a token are a 1 at its id. */
export function tappedTable(rows: readonly (readonly number[])[]): TappedModel {
  const model = tableModel(rows);
  const width = rows.length;
  const tap = (sequence: TreeSequence): TappedSequence => {
    let taps: Matrix = { data: new Float32Array(0), rows: 0, cols: width };
    const see = (tokens: number[]): void => {
      const data = new Float32Array(tokens.length * width);
      tokens.forEach((id, i) => (data[i * width + id] = 1));
      taps = { data, rows: tokens.length, cols: width };
    };
    return {
      get length() {
        return sequence.length;
      },
      get taps() {
        return taps;
      },
      async forward(ids: ArrayLike<number>, options: ForwardOptions = {}) {
        see(Array.from(ids).slice(options.rows === "last" ? -1 : 0));
        return sequence.forward(ids, options);
      },
      async forwardTree(tokens, parents, options) {
        see(Array.from(tokens));
        return sequence.forwardTree(tokens, parents, options);
      },
      commit: (count) => sequence.commit(count),
      commitPath: (nodes) => sequence.commitPath(nodes),
      truncate: (length) => sequence.truncate(length),
      fork: () => tap(sequence.fork()),
      dispose: () => sequence.dispose(),
    };
  };
  return { ...model, tapWidth: width, openTapped: async () => tap(await model.open()) };
}

/** A head that knows the rows of `ids`, one of them for each token. Tells what it is asked. */
export function tableHead(rows: readonly (readonly number[])[], ids: readonly number[]) {
  const asked: string[] = [];
  const answer = (id: number): HeadRow => ({
    logits: Float32Array.from(ids, (each) => Math.log(rows[id][each])),
    state: Float32Array.of(id),
  });
  const head: DraftHead = {
    targetSha256: "ab",
    tapWidth: rows.length,
    ids: Int32Array.from(ids),
    async start(taps, id) {
      asked.push(`${argmax(taps)}>${id}`);
      return answer(id);
    },
    async next({ state }, id) {
      asked.push(`${state[0]}+${id}`);
      return answer(id);
    },
    async dispose() {},
  };
  return { head, asked };
}
