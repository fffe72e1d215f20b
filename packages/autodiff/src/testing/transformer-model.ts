import type { LanguageModel, Matrix, TreeSequence } from "@veridraft/core-probs";
import { forwardModel } from "@veridraft/core-probs/testing";
import { jit } from "../jit.ts";
import {
  logitsOf,
  type Transformer,
  transformer,
  type TransformerConfig,
} from "../nn/transformer.ts";
import { attention } from "../operations/attention.ts";
import type { GraphRunner, HostTensor } from "../runner.ts";
import type { Tensor } from "../tensor.ts";

/**
 * A transformer as a language model without a cache: every forward computes the whole context in one shape, so that the rows of a chain have the same
 * bits however it is cut. Meant for methods' tests, with contexts of a hundred tokens or so; what `exportOnnx` of engine-onnx writes is for use.
 *
 * @throws ShapeError from the first forward on where the parameters do not fit the configuration.
 * @example const model = transformerModel(createGraphRunner({ threads: 1 }), config, params);
 */
export function transformerModel(
  runner: GraphRunner,
  config: TransformerConfig,
  params: Transformer<HostTensor>,
): LanguageModel<TreeSequence> {
  const { vocabSize, contextLength } = config;
  const logits = jit(
    runner,
    (weights: Transformer<Tensor>, ids: Tensor, positions: Tensor, bias: Tensor) => {
      const attend = (q: Tensor, k: Tensor, v: Tensor): Tensor => attention(q, k, v, { bias });
      return logitsOf(weights, transformer(weights, ids, config, { attend, positions }));
    },
  );
  const run = async (
    committed: readonly number[],
    tokens: Int32Array,
    parents: Int32Array,
  ): Promise<Matrix> => {
    const start = committed.length;
    const shape = [1, contextLength];
    const ids = new Int32Array(contextLength);
    ids.set(committed);
    ids.set(tokens, start);
    const { data } = await logits(
      params,
      { data: ids, shape },
      { data: positionsOf(contextLength, start, parents), shape },
      { data: biasOf(contextLength, start, parents), shape: [contextLength, contextLength] },
    );
    const rows = (data as Float32Array).slice(
      start * vocabSize,
      (start + tokens.length) * vocabSize,
    );
    return { data: rows, rows: tokens.length, cols: vocabSize };
  };
  return forwardModel({ vocabSize, contextLength, run, dispose: logits.dispose });
}

/** A node stands one place after its parent. */
function positionsOf(contextLength: number, start: number, parents: Int32Array): Int32Array {
  const positions = Int32Array.from({ length: contextLength }, (_, i) => i);
  parents.forEach((parent, node) => {
    positions[start + node] = parent < 0 ? start : positions[start + parent] + 1;
  });
  return positions;
}

/** 0 where a row sees another: those before it, but of a tree only its ancestors; else -Infinity. [contextLength, contextLength] */
function biasOf(contextLength: number, start: number, parents: Int32Array): Float32Array {
  const bias = new Float32Array(contextLength * contextLength).fill(-Infinity);
  for (let i = 0; i < contextLength; i++)
    bias.fill(0, i * contextLength, i * contextLength + i + 1);
  parents.forEach((parent, node) => {
    const at = (start + node) * contextLength + start;
    const above = (start + parent) * contextLength + start;
    if (parent < 0) bias.fill(-Infinity, at, at + node);
    else bias.copyWithin(at, above, above + node);
  });
  return bias;
}
