/** What SETRec is trained on. */
import type { HostTensor } from "@veridraft/autodiff";
import { InvalidArgumentError, type RngKey } from "@veridraft/core-probs";
import { setMask } from "./set-input.ts";
import { type Catalogue, layoutOf, type SetRecConfig } from "./setrec.ts";

/** The arguments of the loss behind the parameters. */
export type SetRecBatch = [
  catalogue: Catalogue<HostTensor>,
  items: HostTensor,
  next: HostTensor,
  mask: HostTensor,
];

/**
 * Random beginnings of what users chose, the empty one among them, and the item after each.
 *
 * @param users Items of each user, numbered from 0. @param size Beginnings of a batch.
 * @returns For a step, the first being 0, the endless batches from there on. @throws InvalidArgumentError where a user has no item.
 */
export function setRecBatches(
  config: SetRecConfig,
  catalogue: Catalogue<HostTensor>,
  users: readonly ArrayLike<number>[],
  size: number,
  key: RngKey,
): (step: number) => Generator<SetRecBatch, never> {
  const without = users.findIndex(({ length }) => length === 0);
  if (without >= 0 || users.length === 0) {
    throw new InvalidArgumentError(
      `setRecBatches: every user must have an item, got none ${without < 0 ? "and no users" : `for user ${without}`}`,
    );
  }
  const visible = setMask(layoutOf(config));
  const rows = Math.sqrt(visible.length);
  const mask = { data: visible, shape: [rows, rows] };
  const { history } = config;
  return function* from(step) {
    for (let at = step; ; at++) {
      const rng = key.at(at, "sample");
      const items = new Int32Array(size * history);
      const next = new Int32Array(size);
      for (let row = 0; row < size; row++) {
        const user = users[Math.floor(rng.uniform() * users.length)];
        const end = Math.floor(rng.uniform() * user.length);
        next[row] = user[end];
        const start = Math.max(0, end - history);
        for (let i = start; i < end; i++) items[(row + 1) * history - end + i] = user[i] + 1;
      }
      yield [
        catalogue,
        { data: items, shape: [size, history] },
        { data: next, shape: [size] },
        mask,
      ];
    }
  };
}
