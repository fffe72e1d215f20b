import { createRng, defaultSampling } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { decodeInt32, encodeFloat32, encodeInt32, encodeUint32, RpcError } from "@veridraft/rpc";
import { Coupling, type Proposal, type Propose } from "@veridraft/rpc/draft";
import {
  createSuffixDrafter,
  type DraftResult,
  emptyTree,
  generate,
} from "@veridraft/spec-decoding";
import { describe, expect, it, vi } from "vitest";
import {
  answering,
  connect,
  context,
  listen,
  opened,
  type Peer,
  proposal,
  read,
  serve,
  vocabSize,
} from "./scripted-peer.ts";

/** Drafts with a suffix automaton. */
const suffixPeer: Peer = async function* (requests) {
  const local = createSuffixDrafter();
  const known: number[] = [];
  for await (const { request } of requests) {
    if (request?.$case === "open") known.push(...read(request.value.ids));
    if (request?.$case === "open") yield opened("suffix");
    if (request?.$case !== "propose") continue;
    known.push(...read(request.value.commit));
    const { tokens } = await local.propose(context(known, request.value.budget));
    yield proposal(request.value.round, [...tokens]);
  }
};

/** Takes everything and says nothing. */
const silentPeer: Peer = async function* (requests) {
  for await (const _ of requests);
  yield opened();
};

const result = (successors: number[] = []): DraftResult => ({
  tree: emptyTree,
  path: [],
  successors: Int32Array.from(successors),
});

describe("rounds", () => {
  it("opens with all ids, then sends what was committed since", async () => {
    const { peer, seen } = answering((round) => proposal(round, [round]));
    const { drafter, warnings } = await serve(peer, {
      drafter: "suffix",
      coupling: "optimal",
      sampling: { ...defaultSampling, temperature: 0.5, topK: 3 },
    });
    expect(drafter.name).toBe("suffix");
    await drafter.open([1, 2]);
    expect(drafter.name).toBe("scripted");
    expect(await drafter.propose(context([1, 2, 3]))).toEqual({
      tokens: Int32Array.of(1),
      parents: Int32Array.of(-1),
      laws: [null],
      confidences: Float32Array.of(0.5),
    });
    drafter.observe(result());
    expect((await drafter.propose(context([1, 2, 3, 4, 5], 90))).tokens).toEqual(Int32Array.of(2));
    const [open, first, second] = seen.map((request) => request.value);
    expect(open).toMatchObject({
      tokenizerSha256: "ab",
      drafter: "suffix",
      sampling: { temperature: 0.5, topK: 3, seed: 7n, coupling: Coupling.COUPLING_OPTIMAL },
    });
    expect(open).toSatisfy((value: { ids: Uint8Array }) => `${read(value.ids)}` === "1,2");
    expect(first).toMatchObject({ round: 1, budget: 4, feedback: undefined });
    expect(second).toMatchObject({ round: 2, budget: 64, feedback: {} });
    const commits = [first, second].map((value) => read((value as { commit: Uint8Array }).commit));
    expect(commits).toEqual([[3], [4, 5]]);
    expect(warnings).toEqual([]);
    expect(drafter.missedRounds).toBe(0);
  });

  it("reports rounds as the peer wants them", async () => {
    const { peer, seen } = answering((round) => proposal(round, [3, 4]), 2);
    const { drafter } = await serve(peer);
    expect(drafter.successors).toBe(0);
    const tree = await drafter.propose(context([1]));
    expect(drafter.successors).toBe(2);
    drafter.observe({ tree, path: [0], successors: Int32Array.of(3, 5, 6, 7, 8, -1) });
    await drafter.propose(context([1, 3, 6]));
    const { feedback } = seen[2].value as Propose;
    expect(
      feedback && Object.values(feedback).map((bytes) => [...decodeInt32(bytes, "", 9)]),
    ).toEqual([[3, 4], [-1, 0], [0], [3, 5, 6, 7, 8, -1]]);
  });

  it("takes laws, also beside tokens that were chosen", async () => {
    const law = { ids: encodeUint32([1, 4]), probs: encodeFloat32([0.25, 0.75]) };
    const none = { ids: new Uint8Array(0), probs: new Uint8Array(0) };
    const { peer } = answering((round) => proposal(round, [4, 5], { laws: [law, none] }));
    const { drafter } = await serve(peer);
    expect((await drafter.propose(context([1]))).laws).toEqual([
      { ids: Int32Array.of(1, 4), probs: Float32Array.of(0.25, 0.75) },
      null,
    ]);
  });

  it("generates what the target says, drafted from afar", async () => {
    const { drafter, warnings } = await serve(suffixPeer);
    // Token i is followed by i + 1.
    const model = tableModel(
      Array.from({ length: vocabSize }, (_, i) =>
        Array.from({ length: vocabSize }, (_unused, j) => Number(j === (i + 1) % vocabSize)),
      ),
    );
    const text: number[] = [];
    const steps = generate(model, [0], { key: createRng(1), drafter, maxTokens: 40 });
    let step = await steps.next();
    for (; !step.done; step = await steps.next()) text.push(...step.value.ids);
    expect(text).toEqual(Array.from({ length: 40 }, (_, i) => (i + 1) % vocabSize));
    expect(step.value.statistics).toMatchObject({ drafter: "suffix", undraftedRounds: 0 });
    expect(step.value.statistics.accepted).toBeGreaterThan(10);
    expect(warnings).toEqual([]);
  });
});

describe("refusals", () => {
  it.each(["FAILED_PRECONDITION", "INVALID_ARGUMENT", "UNIMPLEMENTED"] as const)(
    "%s is an error of open and of the first propose",
    async (code) => {
      // oxlint-disable-next-line eslint/require-yield -- it refuses
      const peer: Peer = async function* () {
        throw new RpcError(code, "no");
      };
      const { server, drafter } = await serve(peer);
      await expect(drafter.propose(context([1]))).rejects.toMatchObject({ code, message: "no" });
      const second = connect(server.address);
      await expect(second.drafter.open([1])).rejects.toMatchObject({ code });
      expect(second.warnings).toEqual([]);
    },
  );

  it("after a generation has begun they only end the drafting", async () => {
    let refuse = false;
    const { peer } = answering((round) => {
      refuse = true;
      return round === 1 ? proposal(round, [2]) : Promise.reject(new Error("crash"));
    });
    const { drafter, warnings } = await serve((requests, call) => {
      if (refuse) throw new RpcError("FAILED_PRECONDITION", "another tokenizer");
      return peer(requests, call);
    });
    await drafter.propose(context([1]));
    expect(await drafter.propose(context([1, 2]))).toBe(emptyTree);
    await vi.waitUntil(() => drafter.missedRounds === 1);
    for (let i = 0; i < 3; i++) {
      expect(await drafter.propose(context([1, 2, 3]))).toBe(emptyTree);
    }
    expect(drafter.missedRounds).toBe(4);
    expect(warnings).toHaveLength(1);
  });
});

describe("outages", () => {
  it("a peer that is not there costs no time, is warned of once, and drafts when it comes", async () => {
    const server = await listen(answering((round) => proposal(round, [round])).peer);
    await server.stop(0);
    const { drafter, warnings } = connect(server.address);
    await drafter.open([1]);
    const started = performance.now();
    for (let i = 0; i < 100; i++) expect(await drafter.propose(context([1]))).toBe(emptyTree);
    expect(performance.now() - started).toBeLessThan(200);
    expect(warnings).toEqual([expect.stringMatching(/^the draft server does not draft: .*ECONN/)]);
    expect(drafter.missedRounds).toBe(100);

    const { peer, seen } = answering((round) => proposal(round, [5]));
    await listen(peer, server.port);
    await vi.waitUntil(async () => (await drafter.propose(context([1, 2]))).tokens.length > 0, {
      timeout: 10_000,
      interval: 20,
    });
    expect(read((seen[0].value as { ids: Uint8Array }).ids)).toEqual([1, 2]);
    expect(warnings).toHaveLength(1);
  });

  it("a peer that dies is opened again from the committed ids", async () => {
    const first = answering((round) => proposal(round, [3]));
    const { server, drafter, warnings } = await serve(first.peer);
    expect((await drafter.propose(context([1, 2]))).tokens).toEqual(Int32Array.of(3));
    await server.stop(0);
    await vi.waitUntil(() => warnings.length === 1);
    expect(await drafter.propose(context([1, 2, 3, 4]))).toBe(emptyTree);

    const second = answering((round) => proposal(round, [6]));
    await listen(second.peer, server.port);
    await vi.waitUntil(
      async () => (await drafter.propose(context([1, 2, 3, 4, 5]))).tokens.length > 0,
      { timeout: 10_000, interval: 20 },
    );
    const known = second.seen.flatMap(({ $case, value }) =>
      read($case === "open" ? value.ids : value.commit),
    );
    expect(known).toEqual([1, 2, 3, 4, 5]);
    expect(warnings).toHaveLength(1);
  });

  it("a late answer is dropped, and no round waits for it", async () => {
    const releases: (() => void)[] = [];
    const { peer, seen } = answering(async (round) => {
      if (round === 1) await new Promise<void>((resolve) => releases.push(resolve));
      return proposal(round, [round]);
    });
    const { drafter, warnings } = await serve(peer, { roundTimeoutMs: 300 });
    await drafter.open([1]);
    expect(await drafter.propose(context([1]))).toBe(emptyTree);
    drafter.observe(result());
    expect(warnings).toEqual(["the draft server does not draft: no draft within 300 ms"]);
    const started = performance.now();
    expect(await drafter.propose(context([1, 2]))).toBe(emptyTree);
    expect(performance.now() - started).toBeLessThan(100);
    drafter.observe(result());
    expect(seen).toHaveLength(2);

    releases[0]();
    await vi.waitUntil(async () => (await drafter.propose(context([1, 2, 3]))).tokens[0] === 2);
    // All of it in one commit, and what the round of the late answer showed.
    expect(read((seen[2].value as { commit: Uint8Array }).commit)).toEqual([2, 3]);
    expect((seen[2].value as Propose).feedback).toBeDefined();
    expect(warnings).toHaveLength(1);
  });

  it("a peer that never answers holds up only the first round", async () => {
    const { drafter, warnings } = await serve(silentPeer, { roundTimeoutMs: 100 });
    await drafter.open([1]);
    const started = performance.now();
    for (let i = 0; i < 100; i++) expect(await drafter.propose(context([1]))).toBe(emptyTree);
    expect(performance.now() - started).toBeLessThan(100);
    expect(warnings).toEqual(["the draft server does not draft: no answer yet"]);
  });

  const sparse = { ids: encodeUint32([1, 2]), probs: encodeFloat32([0.5, 0.5]) };
  it.each<[string, number[], Partial<Proposal>]>([
    ["more nodes than asked for", [1, 2, 3, 4, 5], {}],
    ["a token outside the vocabulary", [10], {}],
    ["a negative token", [2 ** 31], {}],
    ["a parent after its child", [1, 2], { parents: encodeInt32([1, -1]) }],
    ["too few parents", [1, 2], { parents: encodeInt32([-1]) }],
    ["bytes that are no numbers", [1], { parents: new Uint8Array(3) }],
    ["a confidence above 1", [1], { confidences: encodeFloat32([2]) }],
    ["NaN as confidence", [1], { confidences: encodeFloat32([NaN]) }],
    ["a law without its token", [3], { laws: [sparse] }],
    ["too few laws", [1, 2], { laws: [sparse] }],
    ["too many laws", [1], { laws: [sparse, sparse] }],
    ["a law that does not sum to 1", [1], { laws: [{ ...sparse, probs: encodeFloat32([1, 1]) }] }],
    [
      "a law with more ids than probabilities",
      [1],
      { laws: [{ ...sparse, probs: encodeFloat32([1]) }] },
    ],
    ["another round", [1], { round: 99 }],
  ])("an answer with %s counts as one", async (_, tokens, changes) => {
    let healthy = false;
    const { peer } = answering((round) =>
      healthy ? proposal(round, [1]) : proposal(round, tokens, changes),
    );
    const { drafter, warnings } = await serve(peer);
    expect(await drafter.propose(context([1]))).toBe(emptyTree);
    expect(warnings).toHaveLength(1);
    healthy = true;
    await vi.waitUntil(async () => (await drafter.propose(context([1]))).tokens.length > 0);
    expect(warnings).toHaveLength(1);
  });

  it("an error of the peer counts as one", async () => {
    const { peer } = answering(() => Promise.reject(new Error("secret")));
    const { drafter, warnings } = await serve(peer);
    expect(await drafter.propose(context([1]))).toBe(emptyTree);
    expect(warnings).toEqual([expect.stringContaining("internal error, logged as request")]);
  });
});

describe("dispose()", () => {
  it("ends the stream and every attempt to open it again", async () => {
    let ended = 0;
    const { peer } = answering((round) => proposal(round, [1]));
    const { server, drafter, warnings } = await serve(async function* (requests, call) {
      yield* peer(requests, call);
      ended++;
    });
    await drafter.propose(context([1]));
    drafter.dispose();
    await vi.waitUntil(() => ended === 1);
    const other = connect(server.address);
    await server.stop(0);
    await other.drafter.propose(context([1]));
    other.drafter.dispose();
    other.drafter.dispose();
    expect(warnings).toEqual([]);
  });
});
