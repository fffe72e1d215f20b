/** Several optimizers over one tree, and parameters that do not learn. */
import { leavesOf, type Mask, type Params } from "../leaves.ts";
import type { HostTensor } from "../runner.ts";
import { mapTree } from "../tree.ts";
import type { Optimizer, State } from "./optimizer.ts";

/** States of both optimizers, each in the form of a record of its own parameters. */
export type PartitionState = { readonly chosen: State; readonly rest: State };

/** Gives the parameters that `mask` chooses to one optimizer and the rest to another; each sees a record by path. */
export function partition(
  mask: Mask,
  chosen: Optimizer,
  rest: Optimizer,
): Optimizer<PartitionState> {
  return {
    init(params) {
      const [some, others] = split(params, params, mask);
      return { chosen: chosen.init(some), rest: rest.init(others) };
    },
    async update(grads, state, params) {
      const [someParams, otherParams] = split(params, params, mask);
      const [someGrads, otherGrads] = split(grads, params, mask);
      const [some, chosenState] = await chosen.update(someGrads, state.chosen, someParams);
      const [others, restState] = await rest.update(otherGrads, state.rest, otherParams);
      const updates = new Map([...leavesOf(some), ...leavesOf(others)]);
      return [
        mapTree((gradient: HostTensor, path) => updates.get(path) ?? gradient, grads),
        { chosen: chosenState, rest: restState },
      ];
    },
  };
}

/** Keeps the parameters that `mask` chooses as they are: no update, no state. */
export function freeze(mask: Mask, optimizer: Optimizer): Optimizer<PartitionState> {
  return partition(mask, still, optimizer);
}

const still: Optimizer<Record<string, never>> = {
  init: () => ({}),
  async update(grads, state) {
    for (const { data } of leavesOf(grads).values()) data.fill(0 as never);
    return [grads, state];
  },
};

function split(tree: Params, params: Params, mask: Mask): [chosen: Params, rest: Params] {
  const chosen: Record<string, HostTensor> = {};
  const rest: Record<string, HostTensor> = {};
  const reference = leavesOf(params);
  for (const [path, tensor] of leavesOf(tree)) {
    (mask(path, reference.get(path) ?? tensor) ? chosen : rest)[path] = tensor;
  }
  return [chosen, rest];
}
