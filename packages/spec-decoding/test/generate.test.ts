import { createRng, type LanguageModel, type TreeSequence } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { chain, createPromptLookup, type Drafter, generate } from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { finish, fixedDrafter } from "./support.ts";

/** 0 -> 1 -> 2 -> 3 -> 4 -> 0, always. */
const ringRows = [0, 1, 2, 3, 4].map((token) =>
  [0, 1, 2, 3, 4].map((next) => (next === (token + 1) % 5 ? 1 : 0)),
);
const ring = tableModel(ringRows);
const key = createRng(1);

/** The ring with counters: calls of forward and sequences that are open. */
function watched(options = {}) {
  const model = tableModel(ringRows, options);
  const counts = { forwards: [] as number[], open: 0 };
  const open = async (): Promise<TreeSequence> => {
    const sequence = await model.open();
    counts.open++;
    const { forward, dispose } = sequence;
    sequence.forward = (ids, given) => {
      counts.forwards.push(ids.length);
      return forward.call(sequence, ids, given);
    };
    sequence.dispose = () => {
      counts.open--;
      dispose.call(sequence);
    };
    return sequence;
  };
  const watchedModel: LanguageModel<TreeSequence> = { ...model, open };
  return { counts, model: watchedModel };
}

describe("the loop", () => {
  test("plain: the prompt in one forward, then one token each", async () => {
    const { counts, model } = watched();
    const { steps, summary } = await finish(model, [0, 1], { key, maxTokens: 4 });
    expect(steps.map(({ ids }) => ids)).toEqual([[2], [3], [4], [0]]);
    expect(counts).toEqual({ forwards: [2, 1, 1, 1], open: 0 });
    expect(summary).toMatchObject({ finishReason: "length", stopId: null, ids: [2, 3, 4, 0] });
    expect(summary.statistics).toMatchObject({
      drafter: "none",
      rounds: 3,
      proposed: 0,
      meanAcceptanceLength: 1,
    });
  });

  test("drafted: accepted tokens come with their round, the cache is committed", async () => {
    const { counts, model } = watched();
    const drafter = fixedDrafter(chain([2, 3, 0], [1, 1, 1]));
    const { steps, summary } = await finish(model, [0], { key, maxTokens: 6, drafter });
    // After 0 comes 1; the draft 2 3 0 is right in 2 3, then 4; after 4 nothing of it is right; then at most 1 node of room.
    expect(steps.map(({ ids }) => ids)).toEqual([[1], [2, 3, 4], [0], [1]]);
    expect(steps.map(({ accepted, proposed }) => [accepted, proposed])).toEqual([
      [0, 0],
      [2, 3],
      [0, 1],
      [0, 0],
    ]);
    expect(counts.forwards).toEqual([1, 4, 2, 1]);
    expect(summary.statistics).toMatchObject({
      drafter: "fixed",
      rounds: 3,
      proposed: 4,
      evaluated: 4,
      accepted: 2,
      acceptedAt: [1, 1],
      acceptanceRate: 0.5,
    });
    expect(drafter.observed).toHaveLength(3);
    expect(drafter.disposed).toBe(1);
  });

  test("the first token is there before anything is drafted", async () => {
    const drafter: Drafter = {
      ...fixedDrafter(chain([], [])),
      propose: () => new Promise(() => {}),
    };
    const generation = generate(ring, [0], { key, drafter });
    expect((await generation.next()).value).toMatchObject({ ids: [1] });
    await generation.return({} as never);
  });

  test("an empty proposal becomes the last successor of the root, and successors are handed over", async () => {
    const drafter = { ...fixedDrafter(chain([], [])), successors: 2 };
    const { summary } = await finish(ring, [0, 1, 2, 3, 4, 0], { key, maxTokens: 4, drafter });
    expect(summary.statistics).toMatchObject({ rounds: 2, proposed: 1, accepted: 1 });
    expect(drafter.observed[0]).toMatchObject({
      path: [0],
      successors: Int32Array.of(2, -1, 3, -1),
    });
  });
});

describe("the end", () => {
  test("a stop id inside an accepted path ends the text before it", async () => {
    const drafter = fixedDrafter(chain([2, 3, 4], [1, 1, 1]));
    const { steps, summary } = await finish(ring, [0], { key, drafter, stopIds: [3] });
    expect(steps.map(({ ids }) => ids)).toEqual([[1], [2]]);
    expect(summary).toMatchObject({ finishReason: "stop", stopId: 3, ids: [1, 2] });
    // 2 and the stop id itself; 4 was accepted for nothing.
    expect(summary.statistics.accepted).toBe(2);
  });

  test("a stop id as the first token leaves an empty text", async () => {
    const { steps, summary } = await finish(ring, [0], { key, stopIds: [1], logProbs: 2 });
    expect(steps).toEqual([]);
    expect(summary).toMatchObject({ finishReason: "stop", stopId: 1, ids: [] });
  });

  test("maxTokens cuts exactly, whatever is drafted", async () => {
    for (const maxTokens of [1, 2, 3, 4, 5, 6, 7]) {
      const drafter = fixedDrafter(chain([2, 3, 4, 0, 1, 2], [1, 1, 1, 1, 1, 1]));
      const { summary } = await finish(ring, [0], {
        key,
        drafter,
        maxTokens,
        numSpeculativeTokens: 6,
      });
      expect(summary.ids).toEqual([1, 2, 3, 4, 0, 1, 2].slice(0, maxTokens));
      expect(summary.finishReason).toBe("length");
    }
  });

  test("the context ends the text: prompt and text fill it", async () => {
    const { model } = watched({ contextLength: 7 });
    for (const drafter of [
      null,
      createPromptLookup(),
      fixedDrafter(chain([4, 0, 1, 2], [1, 1, 1, 1])),
    ]) {
      const { summary } = await finish(model, [0, 1, 2], { key, drafter });
      expect(summary).toMatchObject({ finishReason: "length", ids: [3, 4, 0, 1] });
    }
  });
});

describe("abort", () => {
  test("ends a hanging drafter at once, frees sequence and drafter", async () => {
    const { counts, model } = watched();
    const drafter = fixedDrafter(chain([], []));
    drafter.propose = () => new Promise(() => {});
    const controller = new AbortController();
    const generation = generate(model, [0], { key, drafter, signal: controller.signal });
    await generation.next();
    const next = generation.next();
    controller.abort(new Error("enough"));
    await expect(next).rejects.toThrow("enough");
    expect(counts.open).toBe(0);
    expect(drafter.disposed).toBe(1);
  });

  test("before it starts, and between two steps", async () => {
    const { counts, model } = watched();
    const aborted = AbortSignal.abort(new Error("never"));
    await expect(finish(model, [0], { key, signal: aborted })).rejects.toThrow("never");
    const controller = new AbortController();
    const generation = generate(model, [0], { key, signal: controller.signal });
    await generation.next();
    controller.abort(new Error("later"));
    await expect(generation.next()).rejects.toThrow("later");
    expect(counts).toEqual({ forwards: [1], open: 0 });
  });

  test("a consumer that stops early frees everything", async () => {
    const { counts, model } = watched();
    const drafter = fixedDrafter(chain([1], [1]));
    for await (const step of generate(model, [0], { key, drafter })) if (step.ids.length > 0) break;
    expect(counts.open).toBe(0);
    expect(drafter.disposed).toBe(1);
  });
});

describe("a drafter that fails", () => {
  test.each<[string, Drafter["propose"]]>([
    ["rejects", async () => Promise.reject(new Error("lost"))],
    [
      "throws",
      () => {
        throw new Error("lost");
      },
    ],
    ["proposes too much", async () => chain(new Int32Array(99), new Float32Array(99))],
    ["proposes ids that do not exist", async () => chain([77], [1])],
    [
      "proposes what its law excludes",
      async () => chain([1], [1], [{ ids: Int32Array.of(2), probs: Float32Array.of(1) }]),
    ],
  ])("%s: the text goes on without it", async (_, propose) => {
    const drafter = { ...fixedDrafter(chain([], [])), propose };
    const { summary } = await finish(ring, [0], {
      key,
      drafter,
      maxTokens: 5,
      coupling: "optimal",
    });
    expect(summary.ids).toEqual([1, 2, 3, 4, 0]);
    // The last round has no room for a draft and does not ask.
    expect(summary.statistics.undraftedRounds).toBe(3);
    expect(summary.statistics.lastDraftError).toBeInstanceOf(Error);
  });
});

const run = (prompt: number[], options = {}) => finish(ring, prompt, { key, ...options });

describe("errors", () => {
  test.each<[object, string]>([
    [{ maxTokens: 0 }, "generate: maxTokens must be an integer of at least 1, got 0"],
    [{ logProbs: -1 }, "generate: logProbs must be an integer of at least 0, got -1"],
    [{ coupling: "loose" }, 'generate: coupling must be "seeded" or "optimal", got loose'],
    [{ sampling: { temperature: -1 } }, "sampling: temperature must be at least 0, got -1"],
    [{ numSpeculativeTokens: 0 }, "createSchedule: numSpeculativeTokens"],
  ])("%o", async (options, message) => {
    const drafter = fixedDrafter(chain([], []));
    await expect(run([0], { ...options, drafter })).rejects.toThrow(message);
    expect(drafter.disposed).toBe(1);
  });

  test("prompts", async () => {
    await expect(run([])).rejects.toThrow("generate: the prompt has no ids");
    await expect(run([9])).rejects.toThrow("forward: ids must be in [0, 5), got 9");
    const small = tableModel(ringRows, { contextLength: 2 });
    await expect(finish(small, [0, 1], { key })).rejects.toThrow(
      "generate: a prompt of 2 ids leaves no room in a context of 2",
    );
  });
});
