/** Log-probabilities of given tokens, and the loss that is their mean. */
import { ShapeError } from "@veridraft/core-probs";
import { checkType, sameShape } from "../shapes.ts";
import { apply, type Operation, showShape, type Tensor } from "../tensor.ts";
import { div, exp, mul, neg } from "./elementwise.ts";
import { addAlong } from "./indexing.ts";
import { logSoftmax } from "./normalize.ts";
import { mean, sum } from "./reduce.ts";
import { greater, where } from "./select.ts";
import { expandDims } from "./shape.ts";

/**
 * Inputs logits, their log-softmax, and ids. The gradient goes to the logits in one step, (onehot - softmax) dy: on the way through the log-softmax it would
 * be twice as many rows of the vocabulary.
 */
const tokenLogProbsOperation: Operation<null> = {
  name: "tokenLogProbs",
  infer([logits, , ids]) {
    if (!sameShape(logits.shape.slice(0, -1), ids.shape)) {
      throw new ShapeError(
        `tokenLogProbs: logits ${showShape(logits.shape)} must have the axes of ids ${showShape(ids.shape)} and the vocabulary`,
      );
    }
    return [{ dtype: "float32", shape: ids.shape }];
  },
  vjp({ inputs: [, logProbs, ids] }, [gradient]) {
    const dy = expandDims(gradient as Tensor, -1);
    return [addAlong(mul(exp(logProbs), neg(dy)), dy, expandDims(ids, -1)), null, null];
  },
  lower(lowering, [, logProbs, ids]) {
    const last = lowering.integers(-1);
    const column = lowering.node("Unsqueeze", [ids, last]);
    const picked = lowering.node("GatherElements", [logProbs, column], { axis: -1 });
    return [lowering.node("Squeeze", [picked, last])];
  },
};

/**
 * ln softmax(logits)[id] of each row. An id outside of the vocabulary fails when the graph runs.
 *
 * @param logits [..., vocabulary] @param ids int32 [...]
 * @throws ShapeError where the axes before the vocabulary are not those of the ids.
 */
export function tokenLogProbs(logits: Tensor, ids: Tensor): Tensor {
  checkType("tokenLogProbs", ids, "int32", "int64");
  return apply(tokenLogProbsOperation, [logits, logSoftmax(logits), ids], null);
}

/** What counts in a loss. */
export interface LossOptions {
  /** float32 in the shape of the ids: the weight of each; by default 1. The loss is 0 where all are. */
  readonly mask?: Tensor;
}

/**
 * The mean of -ln softmax(logits)[id], in nats.
 *
 * @param logits [..., vocabulary] @param ids int32 [...]
 * @throws ShapeError where the axes before the vocabulary are not those of the ids or of the mask.
 */
export function crossEntropy(logits: Tensor, ids: Tensor, { mask }: LossOptions = {}): Tensor {
  const logProbs = tokenLogProbs(logits, ids);
  if (!mask) return neg(mean(logProbs));
  if (!sameShape(mask.shape, ids.shape)) {
    throw new ShapeError(
      `crossEntropy: mask ${showShape(mask.shape)} must have the shape of ids ${showShape(ids.shape)}`,
    );
  }
  const total = sum(mask);
  return neg(div(sum(mul(logProbs, mask)), where(greater(total, 0), total, 1)));
}
