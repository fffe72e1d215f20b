/** What holds for a sequence of any model, whatever keeps its keys and values. */
import { ok, strictEqual } from "node:assert/strict";
import { type Matrix, row } from "@veridraft/core-probs";
import type { OnnxModel } from "@veridraft/engine-onnx";
import { ids } from "./onnx-folders.ts";

/** The largest difference of a logit of row i of `a` and row j of `b`. */
function distance(a: Matrix, i: number, b: Matrix, j: number): number {
  const there = row(b, j);
  return Math.max(...row(a, i).map((logit, id) => Math.abs(logit - there[id])));
}

/** @param tolerance Of a logit; 0 where logits are bitwise independent of how tokens are cut into calls. */
export async function checkSequenceLaws(model: OnnxModel, tolerance: number): Promise<void> {
  const near = (a: Matrix, i: number, b: Matrix, j: number, what: string): void => {
    const found = distance(a, i, b, j);
    ok(found <= tolerance, `${what}: row ${i} is ${found} away`);
  };
  const sequence = await model.open();
  const whole = await sequence.forward(ids);

  // Cut into calls, of one row, too; asked for the last row alone.
  let at = 0;
  for (const size of [1, 2, 5, 1, 7]) {
    const part = await sequence.forward(ids.slice(at, at + size));
    for (let i = 0; i < size; i++) near(part, i, whole, at + i, "cut");
    sequence.commit(size);
    at += size;
  }
  const last = await sequence.forward(ids.slice(at), { rows: "last" });
  strictEqual(last.rows, 1);
  near(last, 0, whole, ids.length - 1, "last row");

  // Back from rejected rows, and from committed ones.
  await sequence.forward([7, 7, 7]);
  sequence.commit(1);
  await sequence.forward([8, 8]);
  sequence.truncate(10);
  const again = await sequence.forward(ids.slice(10, 20));
  for (let i = 0; i < 10; i++) near(again, i, whole, 10 + i, "rollback");

  // Two branches from one start.
  sequence.commit(4);
  const fork = sequence.fork();
  await sequence.forward([3, 4, 5]);
  sequence.commit(3);
  const branch = await fork.forward(ids.slice(14, 20));
  for (let i = 0; i < 6; i++) near(branch, i, whole, 14 + i, "fork");
  fork.commit(6);
  const own = await sequence.forward([6]);
  const other = await model.open();
  const direct = await other.forward([...ids.slice(0, 14), 3, 4, 5, 6], { rows: "last" });
  near(own, 0, direct, 0, "beside a fork");
  for (const each of [sequence, other]) each.dispose();
  const later = await fork.forward(ids.slice(20, 22));
  near(later, 1, whole, 21, "after its twin's end");

  // A chain as a tree.
  const chain = await fork.forwardTree(ids.slice(20, 23), [-1, 0, 1]);
  near(chain, 2, whole, 22, "chain");
  fork.commitPath([0, 1]);
  strictEqual(fork.length, 22);
  near(await fork.forward(ids.slice(22, 23)), 0, whole, 22, "after a path");
  fork.dispose();

  // A prompt that begins as an ended one did.
  const ended = await model.open();
  await ended.forward(ids.slice(0, 20));
  ended.commit(20);
  ended.dispose();
  const { prefixRows } = await model.statistics();
  const next = await model.open();
  const reused = await next.forward([...ids.slice(0, 16), 9], { rows: "last" });
  strictEqual((await model.statistics()).prefixRows, prefixRows + 16);
  next.truncate(0);
  const parts = await next.forward([...ids.slice(0, 16), 9]);
  near(reused, 0, parts, 16, "prefix");
  next.dispose();
}
