import { tableModel } from "@veridraft/core-probs/testing";
import {
  decodeFloat32,
  decodeInt32,
  encodeInt32,
  encodeUint32,
  type RpcError,
} from "@veridraft/rpc";
import { createDraftClient } from "@veridraft/rpc/client";
import {
  Coupling,
  type DraftResponse,
  type Feedback,
  type Proposal,
  Propose,
  Sampling,
} from "@veridraft/rpc/draft";
import { startServer } from "@veridraft/rpc/server";
import type { DrafterName } from "@veridraft/spec-decoding";
import { describe, expect, it, onTestFinished } from "vitest";
import { Drafters } from "../src/drafters.ts";
import { draftService } from "../src/service.ts";
import { statusOf } from "../src/status.ts";

const tokenizerSha256 = "ab".repeat(32);
const vocabSize = 8;

/** After token i comes i + 1 with 0.7 or i + 2 with 0.3. */
const model = tableModel(
  Array.from({ length: vocabSize }, (_, token) =>
    Array.from({ length: vocabSize }, (_unused, next) => {
      const ahead = (next - token + vocabSize) % vocabSize;
      return ahead === 1 ? 0.7 : ahead === 2 ? 0.3 : 0;
    }),
  ),
);

async function serve(preferred: DrafterName = "suffix", contextLength = 32) {
  const drafters = new Drafters({
    preferred,
    vocabSize,
    storeTokens: 1000,
    draftModel: model,
    head: null,
  });
  const info = {
    name: "test",
    vocabSize,
    contextLength,
    tokenizerSha256,
    weights: "",
    exact: false,
    engine: "",
    sha256: "",
  };
  const server = await startServer({
    services: [draftService({ info, drafters, tokenizerSha256, vocabSize, contextLength })],
    toStatus: statusOf,
  });
  const client = createDraftClient(server.address);
  onTestFinished(async () => {
    client.close();
    await server.stop(0);
  });

  /** A session; its calls reject with what the server answers. */
  function start() {
    const call = client.draft();
    const responses = call.responses[Symbol.asyncIterator]();
    const receive = async (): Promise<DraftResponse["response"]> =>
      ((await responses.next()).value as DraftResponse).response;
    return {
      async open(ids: number[], wish = "", sampling = {}, sha256 = tokenizerSha256) {
        await call.send({
          request: {
            $case: "open",
            value: {
              tokenizerSha256: sha256,
              ids: encodeUint32(ids),
              drafter: wish,
              sampling: Sampling.create(sampling),
            },
          },
        });
        const response = await receive();
        return response?.$case === "opened" ? response.value : undefined;
      },
      async propose(commit: number[], budget: number, seen?: Partial<Feedback>, round = 1) {
        const value = Propose.create({
          commit: encodeUint32(commit),
          budget,
          round,
          ...(seen && { feedback: seen }),
        });
        await call.send({ request: { $case: "propose", value } });
        const response = await receive();
        return response?.$case === "proposal" ? read(response.value) : undefined;
      },
      async close() {
        call.end();
        expect(await responses.next()).toMatchObject({ done: true });
      },
    };
  }
  return { client, start };
}

function read({ round, tokens, parents, confidences, laws }: Proposal) {
  return {
    round,
    tokens: [...decodeInt32(tokens, "tokens", 64)],
    parents: [...decodeInt32(parents, "parents", 64)],
    confidences: [...decodeFloat32(confidences, "confidences", 64)],
    laws: laws.map(({ ids, probs }) => ({
      ids: [...decodeInt32(ids, "ids", vocabSize)],
      probs: [...decodeFloat32(probs, "probs", vocabSize)],
    })),
  };
}

/** Feedback on a chain of nodes, all accepted, whose successors are `rows`. */
function feedback(tokens: number[], rows: number[][]): Feedback {
  return {
    tokens: encodeUint32(tokens),
    parents: encodeInt32(tokens.map((_, i) => i - 1)),
    path: encodeUint32(tokens.map((_, i) => i)),
    successors: encodeInt32(rows.flat()),
  };
}

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  return promise.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: RpcError) => error,
  );
}

describe("drafters", () => {
  it("prompt-lookup drafts what followed before", async () => {
    const { start } = await serve();
    const session = start();
    const opened = await session.open([1, 2, 3, 4, 5, 1, 2], "prompt-lookup");
    expect(opened).toEqual({ drafter: "prompt-lookup", successors: 0, tapWidth: 0 });
    // The last two tokens matched: 2/3, and one more each.
    expect(await session.propose([], 2, undefined, 9)).toEqual({
      round: 9,
      tokens: [3, 4],
      parents: [-1, 0],
      confidences: [Math.fround(2 / 3), Math.fround(3 / 4)],
      laws: [],
    });
    expect(await session.propose([3, 4], 1)).toMatchObject({ tokens: [5] });
    await session.close();
  });

  it("suffix learns from sessions that have ended", async () => {
    const { start } = await serve();
    const first = start();
    expect(await first.open([1, 2, 3])).toMatchObject({ drafter: "suffix" });
    expect(await first.propose([], 4)).toMatchObject({ tokens: [] });
    await first.propose([4, 5, 6], 4);
    await first.close();

    const second = start();
    await second.open([7, 2, 3]);
    expect(await second.propose([], 3)).toMatchObject({ tokens: [4, 5, 6], parents: [-1, 0, 1] });
  });

  it("recycling learns from feedback, for all sessions", async () => {
    const { start } = await serve();
    const first = start();
    expect(await first.open([1], "recycling")).toEqual({
      drafter: "recycling",
      successors: 8,
      tapWidth: 0,
    });
    expect(await first.propose([], 4)).toMatchObject({ tokens: [] });
    const none = [-1, -1, -1, -1, -1, -1];
    // After 1 come 5 and 6, after 5 come 7 and 0.
    const rows = [
      [5, 6, ...none],
      [7, 0, ...none],
    ];
    expect(await first.propose([5, 7], 4, feedback([5], rows))).toMatchObject({ tokens: [] });

    const second = start();
    await second.open([2, 1], "recycling");
    expect(await second.propose([], 4)).toMatchObject({
      tokens: [5, 6, 7, 0],
      parents: [-1, -1, 0, 0],
    });
  });

  it("model drafts with the target's noise, or with its law", async () => {
    const { start } = await serve();
    const greedy = start();
    await greedy.open([0], "model");
    expect(await greedy.propose([], 3)).toMatchObject({ tokens: [1, 2, 3], laws: [] });
    expect(await greedy.propose([1, 3], 2)).toMatchObject({ tokens: [4, 5] });

    const drawn = start();
    const sampling = { temperature: 1, seed: 5n, coupling: Coupling.COUPLING_OPTIMAL };
    await drawn.open([0], "model", sampling);
    const proposal = await drawn.propose([], 1);
    expect(proposal?.laws[0].ids).toEqual([1, 2]);
    expect(proposal?.laws[0].probs[0]).toBeCloseTo(0.7, 6);
    expect([1, 2]).toContain(proposal?.tokens[0]);
  });

  it("auto drafts what follows a match of two tokens, and else asks the model", async () => {
    const { start } = await serve("auto");
    const session = start();
    expect(await session.open([4, 6, 7, 0])).toMatchObject({ drafter: "auto" });
    // Nothing of the text stood before: the model's greedy chain.
    expect(await session.propose([], 3)).toMatchObject({ tokens: [1, 2, 3] });
    // "4 6" did, and 7 came after it, whatever the model says.
    expect(await session.propose([1, 4, 6], 2)).toMatchObject({ tokens: [7, 0] });
  });

  it("the server's own comes first and serves whoever does not choose", async () => {
    const { client, start } = await serve("recycling");
    const session = start();
    expect(await session.open([1])).toMatchObject({ drafter: "recycling" });
    expect(await client.getModelInfo({})).toMatchObject({
      model: { name: "test", vocabSize, contextLength: 32, tokenizerSha256 },
      drafters: [
        "recycling",
        "auto",
        "suffix",
        "suffix-decoding",
        "prompt-lookup",
        "ngram-cache",
        "combined",
        "model",
      ],
    });
  });

  it("says nothing where the context is full", async () => {
    const { start } = await serve("prompt-lookup", 6);
    const session = start();
    await session.open([1, 2, 1, 2]);
    expect(await session.propose([1], 4)).toMatchObject({ tokens: [2] });
    expect(await session.propose([2], 4)).toMatchObject({ tokens: [] });
    const error = await failure(session.propose([1], 4));
    expect(error.message).toBe("propose.commit: at most 0 numbers, got 1");
  });
});

describe("refusals", () => {
  it("another tokenizer", async () => {
    const { start } = await serve();
    const mine = "cd".repeat(32);
    expect(await failure(start().open([1], "", {}, mine))).toMatchObject({
      code: "FAILED_PRECONDITION",
      message: `the tokenizers differ: the caller's is ${mine}, the draft server's is ${tokenizerSha256}`,
      details: [
        {
          type: "ErrorInfo",
          reason: "TOKENIZER_MISMATCH",
          domain: "veridraft",
          metadata: { caller: mine, server: tokenizerSha256 },
        },
      ],
    });
  });

  it.each([
    [
      [1],
      "telepathy",
      {},
      `drafter: must be one of suffix, auto, suffix-decoding, prompt-lookup, ngram-cache, recycling, combined, model, got "telepathy"`,
    ],
    [[], "", {}, "open.ids: must hold at least one id"],
    [[1, vocabSize], "", {}, "open.ids: [1] must be in [0, 8), got 8"],
    [Array.from({ length: 33 }, () => 1), "", {}, "open.ids: at most 32 numbers, got 33"],
    [[1], "", { topP: 2 }, "sampling: topP must be in (0, 1], got 2"],
  ])("open %j %j %j", async (ids, wish, sampling, message) => {
    const { start } = await serve();
    const error = await failure(start().open(ids, wish, sampling));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message });
  });

  it.each<[number, Partial<Feedback> | undefined, string]>([
    [0, undefined, "propose.budget: must be in [1, 64], got 0"],
    [65, undefined, "propose.budget: must be in [1, 64], got 65"],
    [1, { tokens: encodeUint32([9]) }, "feedback.tokens: [0] must be in [0, 8), got 9"],
    [1, { tokens: encodeUint32([1]) }, "feedback.parents: must hold 1 numbers, got 0"],
    [
      1,
      { tokens: encodeUint32([1]), parents: encodeInt32([0]) },
      "feedback.parents: [0] must be in [-1, 0), got 0",
    ],
    [
      1,
      { tokens: encodeUint32([1, 2]), parents: encodeInt32([-1, 0]), path: encodeUint32([1]) },
      "feedback.path: [0] is 1, no child of -1",
    ],
    [
      1,
      { tokens: encodeUint32([1]), parents: encodeInt32([-1]), path: encodeUint32([1]) },
      "feedback.path: [0] must be in [0, 1), got 1",
    ],
    [1, {}, "feedback.successors: must hold 8 numbers, got 0"],
    [
      1,
      { successors: encodeInt32([8, 0, 0, 0, 0, 0, 0, 0]) },
      "feedback.successors: [0] must be in [-1, 8), got 8",
    ],
    [1, { tokens: new Uint8Array(3) }, "feedback.tokens: 3 bytes are not a multiple of 4"],
  ])("propose %i %j", async (budget, given, message) => {
    const { start } = await serve();
    const session = start();
    await session.open([1], "recycling");
    const error = await failure(session.propose([], budget, given));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message });
  });

  it("messages out of order", async () => {
    const { start } = await serve();
    expect(await failure(start().propose([1], 1))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "request: open must be first",
    });
    const session = start();
    await session.open([1]);
    expect(await failure(session.open([1]))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "request: propose must follow",
    });
  });
});
