import { createRng, type LanguageModel, type RngKey, type Sampling } from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  type Coupling,
  createDraftEnd,
  createDraftModel,
  createTargetEnd,
  type DraftEnd,
  dsi,
  emptyTree,
  pearl,
  type PipelineOptions,
  type PipelineRound,
  simulateDsi,
  simulatePearl,
  type TargetEnd,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { finish, randomRows } from "./support.ts";
import { toyDraft, toyTarget, twoTokenLaw } from "./toy3.ts";

interface Setting {
  readonly target: LanguageModel;
  readonly draft: LanguageModel;
  readonly sampling: Partial<Sampling>;
  readonly coupling: Coupling;
  readonly servers?: number;
}

/** Both ends in this process, around models. */
async function ends({ target, draft, sampling, coupling, servers = 3 }: Setting, key: RngKey) {
  const drafts = createDraftEnd(
    (last) => last ?? createDraftModel(draft, { sampling, coupling }),
    key,
  );
  const targets: TargetEnd[] = [];
  for (let i = 0; i < servers; i++) targets.push(await createTargetEnd(target, sampling));
  return { drafts, targets };
}

type Options = Omit<PipelineOptions, "contextLength"> & { contextLength?: number };
const never = () => new Promise<never>(() => {});

type Mode = "pearl" | "dsi";
const modes: Mode[] = ["pearl", "dsi"];

async function run(
  mode: Mode,
  drafts: DraftEnd,
  targets: TargetEnd[],
  prompt: number[],
  options: Options,
) {
  const rounds: PipelineRound[] = [];
  const complete = { contextLength: 4096, ...options };
  const generation =
    mode === "pearl"
      ? pearl(drafts, targets[0], prompt, complete)
      : dsi(drafts, targets, prompt, complete);
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- rounds follow one another
    const { done, value } = await generation.next();
    if (done) return { rounds, ids: value };
    rounds.push(value);
  }
}

const target = tableModel(randomRows(24, 1));
const draft = tableModel(
  randomRows(24, 2).map((row, i) => row.map((p, j) => (p + 2 * randomRows(24, 1)[i][j]) / 3)),
);

describe.each(modes)("%s", (mode) => {
  test.each([1, 2])("g = %i: two tokens have exactly the law of TOY3", async (draftTokens) => {
    const sampling = { temperature: 1 };
    const setting: Setting = {
      target: toyTarget(),
      draft: toyDraft(),
      sampling,
      coupling: "optimal",
      servers: 2,
    };
    const law = await exactLaw(async (key) => {
      const { drafts, targets } = await ends(setting, key);
      const options = { key, coupling: "optimal", draftTokens, maxTokens: 3 } as const;
      return (await run(mode, drafts, targets, [3], options)).ids.slice(0, 2);
    });
    expect([...law.keys()].toSorted()).toEqual(Object.keys(twoTokenLaw));
    for (const [tokens, mass] of Object.entries(twoTokenLaw)) {
      expect(law.get(tokens)).toBeCloseTo(mass, 6);
    }
  });

  test.each<Partial<Sampling>>([
    {},
    { temperature: 0.8 },
    { temperature: 0.9, repetitionPenalty: 1.3 },
  ])("seeded: the text of a seed is that of plain decoding (%o)", async (sampling) => {
    for (const seed of [1, 2, 3]) {
      const key = createRng(seed);
      const plain = await finish(target, [3, 1], { key, maxTokens: 50, sampling });
      for (const draftTokens of [1, 3, 8]) {
        const { drafts, targets } = await ends(
          { target, draft, sampling, coupling: "seeded" },
          key,
        );
        const options = { key, draftTokens, maxTokens: 50 };
        const { ids, rounds } = await run(mode, drafts, targets, [3, 1], options);
        expect(ids).toEqual(plain.summary.ids);
        expect(rounds.flatMap((round) => round.ids)).toEqual(ids);
        expect(rounds.length).toBeLessThanOrEqual(50);
      }
    }
  });

  test("a draft that says nothing leaves plain decoding", async () => {
    const key = createRng(4);
    const silent: DraftEnd = { draft: async () => emptyTree, dispose: async () => {} };
    const { targets } = await ends({ target, draft, sampling: {}, coupling: "seeded" }, key);
    const plain = await finish(target, [3], { key, maxTokens: 9 });
    const { ids, rounds } = await run(mode, silent, targets, [3], { key, maxTokens: 9 });
    expect(ids).toEqual(plain.summary.ids);
    expect(rounds).toHaveLength(9);
    expect(rounds[0]).toMatchObject({ tested: 0, accepted: 0 });
  });

  test("stop ids, the context and maxTokens end the text", async () => {
    const key = createRng(5);
    const plain = await finish(target, [3], { key, maxTokens: 30 });
    const setting: Setting = { target, draft, sampling: {}, coupling: "seeded" };
    const stop = plain.summary.ids[4];
    for (const [options, expected] of [
      [{ stopIds: [stop] }, plain.summary.ids.indexOf(stop)],
      [{ contextLength: 8 }, 7],
      [{ maxTokens: 5 }, 5],
    ] as const) {
      const { drafts, targets } = await ends(setting, key);
      const { ids } = await run(mode, drafts, targets, [3], { key, ...options });
      expect(ids).toEqual(plain.summary.ids.slice(0, expected));
    }
  });

  test("abort ends it at once, also while an end hangs; both ends are disposed", async () => {
    let disposed = 0;
    const dispose = async () => void disposed++;
    const controller = new AbortController();
    const options = { key: createRng(1), signal: controller.signal };
    const result = run(mode, { draft: never, dispose }, [{ laws: never, dispose }], [3], options);
    setTimeout(() => controller.abort(new Error("enough")), 10);
    await expect(result).rejects.toThrow("enough");
    expect(disposed).toBe(2);
  });

  test("errors", async () => {
    const { drafts, targets } = await ends(
      { target, draft, sampling: {}, coupling: "seeded" },
      createRng(1),
    );
    const attempt = (prompt: number[], options: object) =>
      run(mode, drafts, targets, prompt, { key: createRng(1), ...options });
    await expect(attempt([], {})).rejects.toThrow("pipelined: the prompt has no ids");
    await expect(attempt([1], { contextLength: 1 })).rejects.toThrow(
      "pipelined: a prompt of 1 ids leaves no room in a context of 1",
    );
    await expect(attempt([1], { draftTokens: 0 })).rejects.toThrow("pipelined: draftTokens: ");
  });
});

test("a new drafter is opened where the last one cannot follow a cut", async () => {
  const key = createRng(6);
  const sampling = { temperature: 1 };
  const opened: boolean[] = [];
  let disposed = 0;
  const drafts = createDraftEnd(async (last) => {
    opened.push(last !== null);
    const drafter = await createDraftModel(draft, { sampling });
    return { ...drafter, dispose: () => void disposed++ };
  }, key);
  const { targets } = await ends({ target, draft, sampling, coupling: "seeded" }, key);
  const { rounds } = await run("pearl", drafts, targets, [3], { key, maxTokens: 40 });
  expect(opened[0]).toBe(false);
  expect(opened.length).toBeGreaterThan(1);
  expect(opened.length).toBeLessThanOrEqual(1 + rounds.length);
  expect(disposed).toBe(opened.length);
});

/** Accepts what is 1, round by round. */
function script(bits: string): () => boolean {
  const list = bits.replaceAll(" ", "");
  let i = 0;
  return () => list[i++] === "1";
}

describe("simulation, worked by hand", () => {
  const times = { draftTokens: 5, draftMs: 10, targetMs: 100 };

  test("PEARL", () => {
    // Pre: accept, 1 token; post: 4 accepted; post: 5 accepted, then 2 and a rejection: 3; pre: rejected, 1.
    const { tokens, rounds, ms } = simulatePearl(script("1 1111 11111 110 0"), 14, times);
    expect({ tokens, rounds, ms }).toEqual({ tokens: 14, rounds: 5, ms: 500 });
    // A slow draft: 150 ms a round, but a rejection is known after 100.
    const slow = { ...times, draftMs: 30 };
    expect(simulatePearl(script("1 10"), 3, slow)).toEqual({ tokens: 3, rounds: 2, ms: 250 });
  });

  test("DSI", () => {
    // Two chunks accepted, the third rejected at its second token: 3 x 50 + 100 ms for 5 + 5 + 2 tokens.
    expect(simulateDsi(script("11111 11111 10"), 12, times)).toEqual({
      tokens: 12,
      rounds: 3,
      ms: 250,
    });
    // Rejected at the first token: no more than a plain forward.
    expect(simulateDsi(script("0"), 1, times)).toEqual({ tokens: 1, rounds: 1, ms: 100 });
  });

  test("DSI is never slower than plain decoding, PEARL hides the shorter of the two", () => {
    const rng = createRng(3).at(0, "sample");
    for (const acceptance of [0, 0.3, 0.6, 0.9]) {
      const accepts = () => rng.bernoulli(acceptance);
      const plain = simulateDsi(accepts, 2000, times);
      expect(plain.ms).toBeLessThanOrEqual(100 * plain.tokens);
      expect(simulatePearl(accepts, 2000, times).ms).toBeLessThanOrEqual(100 * 2100);
    }
  });
});

const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    signal.addEventListener("abort", aborted, { once: true });
  });

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** What the rounds showed, as the simulation reads it. */
function outcomes(rounds: readonly PipelineRound[]): () => boolean {
  const list = rounds.flatMap(({ tested, accepted }) =>
    Array.from({ length: tested }, (_, i) => i < accepted),
  );
  return () => list.shift() ?? false;
}

describe("injected latencies: measured and modelled times agree within 10 %", () => {
  const times = { draftTokens: 3, draftMs: 20, targetMs: 60 };

  /** Ends that take their time; the draft is wrong now and then. */
  async function slowEnds(servers: number) {
    const key = createRng(1);
    const sampling = { temperature: 1 };
    const setting: Setting = { target, draft, sampling, coupling: "seeded", servers };
    const { drafts, targets } = await ends(setting, key);
    const slowDraft: DraftEnd = {
      ...drafts,
      draft: async (ids, count, signal) => {
        await sleep(count * times.draftMs, signal);
        return drafts.draft(ids, count, signal);
      },
    };
    const slowTargets = targets.map((end): TargetEnd => ({
      ...end,
      laws: async (ids, from, signal) => {
        await sleep(times.targetMs, signal);
        return end.laws(ids, from, signal);
      },
    }));
    return { drafts: slowDraft, targets: slowTargets, key };
  }

  test("PEARL", async () => {
    const { drafts, targets, key } = await slowEnds(1);
    const { rounds, ids } = await run("pearl", drafts, targets, [3], {
      key,
      ...pick(times),
      maxTokens: 30,
    });
    const modelled = simulatePearl(outcomes(rounds), ids.length, times);
    expect(rounds.length).toBe(modelled.rounds);
    expect(rounds.some(({ tested, accepted }) => accepted < tested)).toBe(true);
    expect(rounds.some(({ accepted }) => accepted === 3)).toBe(true);
    const measured = median(rounds.map(({ ms }) => ms));
    expect(measured / (modelled.ms / modelled.rounds)).toBeGreaterThan(0.9);
    expect(measured / (modelled.ms / modelled.rounds)).toBeLessThan(1.1);
  });

  test("DSI", async () => {
    const { drafts, targets, key } = await slowEnds(3);
    const { rounds } = await run("dsi", drafts, targets, [3], {
      key,
      ...pick(times),
      maxTokens: 40,
    });
    // By the kind of round: a chunk accepted after another costs its draft; the first one, or a rejection, a target more.
    const kinds = new Map<number, number[]>();
    let fresh = true;
    for (const { ms, tested, accepted } of rounds) {
      const whole = accepted === tested;
      const { draftTokens, draftMs, targetMs } = times;
      const first = accepted === 0 && fresh ? targetMs : draftTokens * draftMs + targetMs;
      const expected = fresh ? first : draftTokens * draftMs;
      kinds.set(expected, [...(kinds.get(expected) ?? []), ms]);
      fresh = !whole;
    }
    expect(kinds.size).toBeGreaterThan(1);
    for (const [expected, measured] of kinds) {
      expect(median(measured) / expected).toBeGreaterThan(0.9);
      expect(median(measured) / expected).toBeLessThan(1.1);
    }
  });
});

function pick({ draftTokens }: { draftTokens: number }) {
  return { draftTokens };
}
