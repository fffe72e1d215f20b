/** What the loop itself costs beside the model: a target of 49,152 tokens whose forward takes no time. 64 tokens a run. */
import {
  createRng,
  type LanguageModel,
  type Sampling,
  type TreeSequence,
} from "@veridraft/core-probs";
import {
  AdjacencyMatrix,
  createSuffixDrafter,
  createTokenRecycling,
  type Drafter,
  generate,
} from "@veridraft/spec-decoding";
import { bench, describe } from "vitest";

const vocabSize = 49_152;
const noise = createRng(1).at(0, "draft");
const logits = Float32Array.from({ length: 8 * vocabSize }, () => {
  return 6 * (noise.uniform() + noise.uniform() + noise.uniform() - 1.5);
});
for (let i = 0; i < 160; i++) logits[i * 2000] += 8;
const rows = Array.from({ length: 9 }, (_, count) => ({
  data: logits.subarray(0, count * vocabSize),
  rows: count,
  cols: vocabSize,
}));

class InstantSequence implements TreeSequence {
  length = 0;
  async forward(ids: ArrayLike<number>, options: { rows?: "all" | "last" } = {}) {
    return rows[options.rows === "last" ? 1 : ids.length];
  }
  async forwardTree(tokens: ArrayLike<number>) {
    return rows[tokens.length];
  }
  commit(count: number): void {
    this.length += count;
  }
  commitPath(nodes: ArrayLike<number>): void {
    this.length += nodes.length;
  }
  truncate(length: number): void {
    this.length = length;
  }
  fork(): TreeSequence {
    return new InstantSequence();
  }
  dispose(): void {}
}
const model: LanguageModel<TreeSequence> = {
  vocabSize,
  contextLength: 8192,
  open: async () => new InstantSequence(),
  dispose: async () => {},
};

async function run(sampling: Partial<Sampling>, drafter: Drafter | null, logProbs?: number) {
  const key = createRng(1);
  const options = { key, drafter, sampling, logProbs, maxTokens: 64, numSpeculativeTokens: 7 };
  const generation = generate(model, [1, 2, 3], options);
  let next = await generation.next();
  while (!next.done) next = await generation.next();
}

describe("64 tokens", () => {
  const usual = { temperature: 0.7, topK: 40, topP: 0.9 };
  const matrix = new AdjacencyMatrix(vocabSize);
  bench("plain, greedy", () => run({}, null));
  bench("plain, topK 40 and topP 0.9", () => run(usual, null));
  bench("plain, temperature", () => run({ temperature: 0.7 }, null));
  bench("suffix automaton, greedy", () => run({}, createSuffixDrafter()));
  bench("token recycling, greedy", () => run({}, createTokenRecycling(matrix)));
  bench("plain, greedy, log-probs with 5 alternatives", () => run({}, null, 5));
});
