import {
  createRng,
  type LanguageModel,
  type RngKey,
  type TreeSequence,
} from "@veridraft/core-probs";
import {
  chain,
  type Drafter,
  type DraftTree,
  generate,
  type Schedule,
  type Step,
  type Summary,
} from "@veridraft/spec-decoding";

type Options = Parameters<typeof generate>[2];

/** Runs a generation to its end. */
export async function finish(
  model: LanguageModel<TreeSequence>,
  prompt: readonly number[],
  options: Options,
): Promise<{ steps: Step[]; summary: Summary }> {
  const steps: Step[] = [];
  const generation = generate(model, prompt, options);
  for (;;) {
    const { done, value } = await generation.next();
    if (done) return { steps, summary: value };
    steps.push(value);
  }
}

/** A Markov chain over `size` tokens that has some structure to be drafted: each row is a few likely tokens over a floor. */
export function randomRows(size: number, seed: number): number[][] {
  const rng = createRng(seed).at(0, "draft");
  return Array.from({ length: size }, () => {
    const row = Array.from({ length: size }, () => 0.02 + 0.05 * rng.uniform());
    row[Math.floor(rng.uniform() * size)] += 2;
    row[Math.floor(rng.uniform() * size)] += 1;
    const sum = row.reduce((a, b) => a + b);
    return row.map((p) => p / sum);
  });
}

/** Proposes random trees of random tokens, whatever the text: nothing it does may change it. */
export function adversarialDrafter(vocabSize: number, seed: number): Drafter {
  const rng = createRng(seed).at(0, "draft");
  const below = (n: number) => Math.floor(rng.uniform() * n);
  return {
    name: "adversarial",
    successors: 3,
    async propose({ budget }): Promise<DraftTree> {
      const size = below(budget + 1);
      return {
        tokens: Int32Array.from({ length: size }, () => below(vocabSize)),
        parents: Int32Array.from({ length: size }, (_, i) => below(i + 1) - 1),
        laws: Array.from({ length: size }, () => null),
        confidences: Float32Array.from({ length: size }, () => rng.uniform()),
      };
    },
    observe() {},
    dispose() {},
  };
}

/** A drafter that gives the same tree in every round, cut to the budget, and records what it is told. */
export function fixedDrafter(tree: DraftTree): Drafter & { observed: unknown[]; disposed: number } {
  return {
    name: "fixed",
    successors: 0,
    observed: [],
    disposed: 0,
    async propose({ budget }) {
      return {
        tokens: tree.tokens.slice(0, budget),
        parents: tree.parents.slice(0, budget),
        laws: tree.laws.slice(0, budget),
        confidences: tree.confidences.slice(0, budget),
      };
    },
    observe(result) {
      this.observed.push(result);
    },
    dispose() {
      this.disposed++;
    },
  };
}

/** Wilson-Hilferty: z of a chi-square value; p > 1e-3 is z < 3.09. */
export function chiSquareZ(
  counts: ArrayLike<number>,
  probs: ArrayLike<number>,
  draws: number,
): number {
  let chi = 0;
  for (let i = 0; i < probs.length; i++) {
    chi += (counts[i] - draws * probs[i]) ** 2 / (draws * probs[i]);
  }
  const freedom = probs.length - 1;
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(chi / freedom) - (1 - spread)) / Math.sqrt(spread);
}

/** The context of one question to a drafter. */
export function ask(ids: readonly number[], budget: number, key: RngKey = createRng(1)) {
  return { ids, budget, key };
}

/** Tells a schedule of a verified chain whose first `accepted` tokens were kept. */
export function observeChain(
  schedule: Schedule,
  size: number,
  accepted: number,
  confidence = 0.5,
): void {
  schedule.observe({
    tree: chain(new Int32Array(size), new Float32Array(size).fill(confidence)),
    path: Array.from({ length: accepted }, (_, i) => i),
    drafted: size,
    draftMs: 0,
  });
}
