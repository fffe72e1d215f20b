import type { DraftHead } from "@veridraft/core-probs";
import { decodeInt32, encodeFloat32, encodeUint32 } from "@veridraft/rpc";
import { createDraftClient } from "@veridraft/rpc/client";
import { type DraftResponse, Open, Propose } from "@veridraft/rpc/draft";
import { startServer } from "@veridraft/rpc/server";
import { expect, it, onTestFinished } from "vitest";
import { Drafters } from "../src/drafters.ts";
import { draftService } from "../src/service.ts";
import { statusOf } from "../src/status.ts";

const tokenizerSha256 = "ab".repeat(32);
const targetSha256 = "cd".repeat(32);
const otherSha256 = "ef".repeat(32);
const [vocabSize, contextLength, tapWidth] = [8, 32, 2];

/** Says the number of its first hidden state, then one more, and so on. */
const head: DraftHead = {
  targetSha256,
  tapWidth,
  ids: Int32Array.from({ length: vocabSize }, (_, id) => id),
  start: async (taps) => say(taps[0]),
  next: async ({ state }) => say(state[0] + 1),
  dispose: async () => {},
};
function say(id: number) {
  const logits = Float32Array.from({ length: vocabSize }, (_, i) => (i === id ? 20 : 0));
  return { logits, state: Float32Array.of(id) };
}

async function serve() {
  const drafters = new Drafters({ preferred: "auto", vocabSize, draftModel: null, head });
  const info = {
    name: "test",
    vocabSize,
    contextLength,
    tokenizerSha256,
    weights: "",
    exact: false,
    engine: "",
    sha256: targetSha256,
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
  return client;
}

/** Opens a session; `propose` resolves with the tokens. */
async function open(about: Partial<Open>, ids = [1, 2, 3]) {
  const call = (await serve()).draft();
  const responses = call.responses[Symbol.asyncIterator]();
  const receive = async (): Promise<DraftResponse["response"]> =>
    ((await responses.next()).value as DraftResponse).response;
  const value = Open.create({ tokenizerSha256, ids: encodeUint32(ids), ...about });
  await call.send({ request: { $case: "open", value } });
  const opened = await receive();
  return {
    opened: opened?.value,
    async propose(changes: Partial<Propose>) {
      const propose = Propose.create({ budget: 2, round: 1, ...changes });
      await call.send({ request: { $case: "propose", value: propose } });
      const response = await receive();
      if (response?.$case !== "proposal") throw new Error("no proposal");
      return [...decodeInt32(response.value.tokens, "tokens", 64)];
    },
  };
}

it("asks for hidden states and drafts from them", async () => {
  const { opened, propose } = await open({ drafter: "head", targetSha256 });
  expect(opened).toEqual({ drafter: "head", successors: 0, tapWidth });
  expect(await propose({ taps: encodeFloat32([5, 0]) })).toEqual([5, 6]);
  expect(await propose({ taps: encodeFloat32([2, 0]), commit: encodeUint32([5]) })).toEqual([2, 3]);
  expect(await propose({ commit: encodeUint32([2]) })).toEqual([]);
});

it("auto drafts what follows a match of two tokens, and else asks the head", async () => {
  const { opened, propose } = await open({ targetSha256 }, [1, 2, 3, 4, 1, 2]);
  expect(opened).toEqual({ drafter: "auto", successors: 0, tapWidth });
  expect(await propose({ taps: encodeFloat32([7, 0]) })).toEqual([3, 4]);
  expect(await propose({ taps: encodeFloat32([6, 0]), commit: encodeUint32([7]) })).toEqual([6, 7]);
});

it("auto does without for a target that gives no hidden states", async () => {
  const { opened, propose } = await open({}, [1, 2, 3, 4, 1, 2]);
  expect(opened).toEqual({ drafter: "suffix", successors: 0, tapWidth: 0 });
  expect(await propose({})).toEqual([3, 4]);
});

it.each(["", "head"])(
  "refuses another target, naming both, for the drafter %j",
  async (drafter) => {
    await expect(open({ drafter, targetSha256: otherSha256 })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: `the draft head was trained for the model ${targetSha256}, the caller's is ${otherSha256}; choose another drafter, or start the draft server with the head of that model`,
      details: [
        { reason: "TARGET_MISMATCH", metadata: { caller: otherSha256, head: targetSha256 } },
      ],
    });
  },
);

it("refuses a caller without hidden states that asks for the head", async () => {
  await expect(open({ drafter: "head" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    message: expect.stringContaining("the caller's is none"),
  });
});

it.each([
  [[1], "propose.taps: must hold 2 numbers, got 1"],
  [[1, 2, 3], "propose.taps: "],
  [[1, Number.NaN], "propose.taps: [1] must be finite, got NaN"],
])("refuses hidden states %j", async (taps, sentence) => {
  const { propose } = await open({ targetSha256 });
  await expect(propose({ taps: encodeFloat32(taps) })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining(sentence),
  });
});
