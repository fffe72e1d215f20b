/** Every verifier of the package under the laws that no verifier may break, and how `generate` chooses one. */
import {
  createRng,
  type Distribution,
  processLogits,
  resolveSampling,
  sample,
  type Sampling,
} from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  createDraftModel,
  createLantern,
  createTypicalAcceptance,
  type Drafter,
  type Verifier,
  type VerifierName,
  verifiers,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  constantPair,
  dense,
  type Draws,
  drawTree,
  dyadic,
  expectedTokens,
  lawError,
  type Pair,
  round,
  sparse,
} from "./drawn-trees.ts";
import { chiSquareZ, finish } from "./support.ts";
import { toyDraft, toyTarget } from "./toy3.ts";

/** Each lossless verifier with the draws and the shapes of trees that it serves. */
const served: [VerifierName, Draws, number[][]][] = [
  ["standard", "independent", [[1], [1, 1]]],
  ["block", "independent", [[1], [1, 1]]],
  ["specinfer", "independent", [[1], [2], [2, 1]]],
  ["withoutReplacement", "without replacement", [[1], [2], [2, 1]]],
  ["traversal", "independent", [[1], [2], [2, 1]]],
  ["traversal", "without replacement", [[2], [2, 1]]],
  ["match", "independent", [[1], [2], [2, 1]]],
  ["match", "without replacement", [[2], [2, 1]]],
];

test("names", () => {
  const lossless = Object.entries(verifiers).filter(([, verifier]) => verifier.lossless);
  expect(new Set(lossless.map(([name]) => name))).toEqual(new Set(served.map(([name]) => name)));
});

const law = fc
  .array(fc.integer({ min: 0, max: 8 }), { minLength: 3, maxLength: 3 })
  .filter((counts) => counts.some((count) => count > 0))
  // Sixteenths: exact in float32.
  .map((counts) => {
    const shares = counts.map((count) => Math.floor((16 * count) / counts.reduce((a, b) => a + b)));
    shares[counts.indexOf(Math.max(...counts))] += 16 - shares.reduce((a, b) => a + b);
    return shares.map((share) => share / 16);
  });
const pair = fc.tuple(
  fc.array(law, { minLength: 4, maxLength: 4 }),
  fc.array(law, { minLength: 4, maxLength: 4 }),
);

/** Multi-token vocabularies of two tokens, so that several rounds can be enumerated. */
const coin: Pair = {
  vocabSize: 2,
  p: (token) =>
    dense(
      [
        [9, 7],
        [4, 12],
        [11, 5],
      ][token + 1].map((n) => n / 16),
    ),
  q: (token) =>
    sparse(
      [
        [5, 11],
        [10, 6],
        [3, 13],
      ][token + 1].map((n) => n / 16),
    ),
};

function add(into: Float64Array, { ids, probs }: Distribution, weight: number): void {
  probs.forEach((mass, j) => (into[ids === null ? j : ids[j]] += weight * mass));
}

describe.each(served)("%s, %s", (name, draws, shapes) => {
  const verifier: Verifier = verifiers[name];
  // Logs of sampleAndMatch are float32.
  const digits = name === "match" ? 7 : 9;
  const top = shapes[shapes.length - 1];

  test("the law is the target's for any pair, by enumeration", async () => {
    await fc.assert(
      fc.asyncProperty(
        pair,
        fc.constantFrom(...shapes),
        fc.boolean(),
        async ([p, q], shape, isSparse) => {
          const form = isSparse ? sparse : dense;
          const models = {
            vocabSize: 3,
            p: (token: number) => form(p[token + 1]),
            q: (token: number) => sparse(q[token + 1]),
          };
          expect(await lawError(verifier, models, shape, draws)).toBeLessThan(10 ** -digits);
        },
      ),
      { numRuns: 12 },
    );
  });

  test("emits between 1 and depth + 1 tokens", () => {
    for (let seed = 0; seed < 200; seed++) {
      const { length } = round(createRng(seed), verifier, dyadic, top, draws);
      expect(length).toBeGreaterThanOrEqual(1);
      expect(length).toBeLessThanOrEqual(top.length + 1);
    }
  });

  test("equal laws: all is kept; disjoint laws: nothing, and the law stays", async () => {
    const p = dense([0.5, 0.5, 0, 0]);
    // The target's own draw need not be among independent siblings.
    const kept = await expectedTokens(verifier, constantPair(p, p), top, draws);
    expect(kept === top.length + 1 || name === "match").toBe(true);
    const apart = constantPair(p, sparse([0, 0, 0.5, 0.5]));
    expect(await expectedTokens(verifier, apart, top, draws)).toBe(1);
    expect(await lawError(verifier, apart, top, draws)).toBeLessThan(10 ** -digits);
  });

  test("a round's draws do not come back in the next one: two tokens over rounds have the law", async () => {
    const outcomes = await exactLaw((key) => {
      const tokens: number[] = [];
      while (tokens.length < 2) {
        const last = tokens.at(-1) ?? -1;
        const after = (law_: Pair["p"]) => (token: number) => law_(token < 0 ? last : token);
        const tree = drawTree(key, { ...coin, q: after(coin.q) }, top, draws, tokens.length);
        const target = (node: number) => after(coin.p)(node < 0 ? -1 : tree.tokens[node]);
        const { path, next } = verifier.verify(tree, target, tokens.length, key);
        tokens.push(...path.map((node) => tree.tokens[node]), next);
      }
      return tokens.slice(0, 2);
    });
    for (const first of [0, 1]) {
      for (const second of [0, 1]) {
        const mass = coin.p(-1).probs[first] * coin.p(first).probs[second];
        expect(outcomes.get(`${first},${second}`)).toBeCloseTo(mass, digits);
      }
    }
  });

  const samplings: Record<string, Partial<Sampling>> = {
    "temperature 1": { temperature: 1 },
    "temperature 0.7, topP 0.9": { temperature: 0.7, topP: 0.9 },
    greedy: {},
  };
  test.each(Object.keys(samplings))("chi-square at V = 64 (p > 1e-3): %s", (kind) => {
    const vocabSize = 64;
    const noise = createRng(21).at(0, "draft");
    const sampling = resolveSampling(samplings[kind]);
    const laws = Array.from({ length: vocabSize + 1 }, () => {
      const logits = Float32Array.from({ length: vocabSize }, () => 4 * noise.uniform());
      const shifted = logits.map((logit) => logit + 2 * noise.uniform());
      const draft = resolveSampling({
        ...samplings[kind],
        temperature: sampling.temperature || 0.6,
      });
      return { p: processLogits(logits, sampling, []), q: processLogits(shifted, draft, []) };
    });
    const models = {
      vocabSize,
      p: (token: number) => laws[token + 1].p,
      q: (token: number) => laws[token + 1].q,
    };
    const expected = [new Float64Array(vocabSize), new Float64Array(vocabSize)];
    add(expected[0], laws[0].p, 1);
    expected[0].forEach((mass, first) => add(expected[1], laws[first + 1].p, mass));
    const counts = [new Float64Array(vocabSize), new Float64Array(vocabSize)];
    const rounds = 12_000;
    for (let seed = 0; seed < rounds; seed++) {
      const key = createRng(seed);
      const tokens = round(key, verifier, models, top, draws);
      if (tokens.length < 2) tokens.push(sample(models.p(tokens[0]), key.at(9, "sample")));
      counts[0][tokens[0]]++;
      counts[1][tokens[1]]++;
    }
    expected.forEach((probs, i) => {
      const support = [...probs.keys()].filter((id) => probs[id] > 0);
      const seen = support.map((id) => counts[i][id]);
      expect(seen.reduce((a, b) => a + b)).toBe(rounds);
      if (support.length === 1) return;
      const masses = support.map((id) => probs[id]);
      expect(chiSquareZ(seen, masses, rounds)).toBeLessThan(3.09);
    });
  });
});

test("the order of independent siblings does not change the law", async () => {
  for (const name of ["specinfer", "traversal"] as const) {
    const reversed: Verifier = {
      ...verifiers[name],
      verify: ({ tokens, laws, ...tree }, target, position, key) => {
        const turned = { ...tree, tokens: tokens.toReversed(), laws: laws.toReversed() };
        const other = (node: number) => (node < 0 ? -1 : tokens.length - 1 - node);
        const { path, next } = verifiers[name].verify(
          turned,
          (node) => target(other(node)),
          position,
          key,
        );
        return { path: path.map(other), next };
      },
    };
    expect(await lawError(reversed, dyadic, [3])).toBeLessThan(1e-9);
  }
});

/** Two siblings with a child each, where the budget allows it. */
const trees = (): Drafter => ({
  name: "trees",
  successors: 0,
  async propose({ ids, budget, key }) {
    const widths = budget >= 4 ? [2, 1] : [1];
    const last = ids[ids.length - 1];
    const q = (token: number) => dyadic.q(token < 0 ? (last < 3 ? last : -1) : token);
    return drawTree(key, { vocabSize: 3, p: dyadic.p, q }, widths, "independent", ids.length);
  },
  observe() {},
  dispose() {},
});

describe("generate", () => {
  const sampling = { temperature: 1 };
  const base = { key: createRng(1), sampling, maxTokens: 60, coupling: "optimal" } as const;
  const drafter = () => createDraftModel(toyDraft(), { sampling, coupling: "optimal" });

  test("takes a verifier by name or as it is, and says whether it is lossless", async () => {
    for (const [verifier, lossless] of [
      ["block", true],
      ["standard", true],
      ["typical", false],
      [createTypicalAcceptance({ epsilon: 0.2 }), false],
      [undefined, true],
    ] as const) {
      const { summary } = await finish(toyTarget(), [3], {
        ...base,
        verifier,
        drafter: await drafter(),
      });
      expect(summary.statistics.lossless).toBe(lossless);
      expect(summary.ids).toHaveLength(60);
    }
  });

  /** Without the last rounds, which draft nothing or a token that was not drawn. */
  const idsOf = async (own: Drafter, verifier?: VerifierName) =>
    (await finish(toyTarget(), [3], { ...base, verifier, drafter: own })).summary.ids.slice(0, 50);

  test("chooses block verification for chains that were drawn", async () => {
    const chosen = await idsOf(await drafter());
    expect(chosen).toEqual(await idsOf(await drafter(), "block"));
    expect(chosen).not.toEqual(await idsOf(await drafter(), "standard"));
  });

  test("chooses traversal for trees that were drawn", async () => {
    const chosen = await idsOf(trees());
    expect(chosen).toEqual(await idsOf(trees(), "traversal"));
    expect(chosen).not.toEqual(await idsOf(trees(), "specinfer"));
    await expect(idsOf(trees(), "block")).rejects.toThrow("branches; use traversalVerification");
  });

  test.each<[string, Verifier | string, string, "seeded" | "optimal"]>([
    ["an unknown name", "lossy", "generate: verifier must be one of standard, ", "optimal"],
    [
      "seeded text",
      "block",
      'generate: verifier block-verification needs the coupling "optimal", got "seeded"',
      "seeded",
    ],
    [
      "lossy, seeded",
      "typical",
      'generate: verifier typical-acceptance needs the coupling "optimal", got "seeded"',
      "seeded",
    ],
  ])("%s is an error", async (_, verifier, message, coupling) => {
    const options = { ...base, coupling, verifier: verifier as VerifierName };
    await expect(finish(toyTarget(), [3], options)).rejects.toThrow(message);
  });

  test("LANTERN needs its table and is passed as it is", async () => {
    const table = { size: 3, k: 1, ids: Int32Array.of(1, 0, 1) };
    const verifier = createLantern(table, { delta: 0.5 });
    const { summary } = await finish(toyTarget(), [3], {
      ...base,
      verifier,
      drafter: await drafter(),
    });
    const exact = await finish(toyTarget(), [3], { ...base, drafter: await drafter() });
    expect(summary.statistics.acceptanceRate).toBeGreaterThan(
      exact.summary.statistics.acceptanceRate,
    );
  });
});
