/** Drafting while verifying, with the draft end behind gRPC. */
import { createRng, resolveSampling, type Sampling } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { Drafters, draftService, statusOf } from "@veridraft/draft-server";
import { createDraftClient } from "@veridraft/rpc/client";
import { startServer } from "@veridraft/rpc/server";
import {
  type Coupling,
  createDraftEnd,
  createTargetEnd,
  dsi,
  generate,
  pearl,
  type PipelineRound,
} from "@veridraft/spec-decoding";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRemoteDrafter, Outage, type RemoteDrafter } from "../src/remote-drafter.ts";

const tokenizerSha256 = "ab".repeat(32);
const vocabSize = 8;
const contextLength = 256;
const seed = 7n;

/** After token i comes i + 1 with the given probability, or i + 2. */
const ahead = (likely: number) =>
  tableModel(
    Array.from({ length: vocabSize }, (_, token) =>
      Array.from({ length: vocabSize }, (_unused, next) => {
        const step = (next - token + vocabSize) % vocabSize;
        return step === 1 ? likely : step === 2 ? 1 - likely : 0;
      }),
    ),
    { contextLength },
  );

/** A pipeline whose drafts come from a draft server; counts the streams it opened. */
async function run(mode: "pearl" | "dsi", partial: Partial<Sampling>, coupling: Coupling) {
  const drafters = new Drafters({
    preferred: "model",
    vocabSize,
    draftModel: ahead(0.6),
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
  const sampling = resolveSampling(partial);
  const warnings: string[] = [];
  const outage = new Outage((message) => warnings.push(message));
  const streams: RemoteDrafter[] = [];
  const open = () => {
    const options = { tokenizerSha256, vocabSize, drafter: "", sampling, coupling, seed, outage };
    const drafter = createRemoteDrafter(client, { ...options, roundTimeoutMs: 5000 });
    streams.push(drafter);
    return drafter;
  };
  const key = createRng(seed);
  const target = ahead(0.8);
  const drafts = createDraftEnd(open, key);
  const targets = [
    await createTargetEnd(target, sampling),
    await createTargetEnd(target, sampling),
  ];
  const options = { key, coupling, contextLength, draftTokens: 3, maxTokens: 40 };
  const rounds: PipelineRound[] = [];
  const generation =
    mode === "pearl" ? pearl(drafts, targets[0], [1], options) : dsi(drafts, targets, [1], options);
  for await (const round of generation) rounds.push(round);
  expect(warnings).toEqual([]);
  return { rounds, streams, ids: rounds.flatMap((round) => round.ids) };
}

describe.each(["pearl", "dsi"] as const)("%s over gRPC", (mode) => {
  it("seeded: gives the text of plain decoding", async () => {
    const sampling = { temperature: 1 };
    const { ids, rounds, streams } = await run(mode, sampling, "seeded");
    const plain: number[] = [];
    const options = { key: createRng(seed), sampling, maxTokens: 40 };
    for await (const step of generate(ahead(0.8), [1], options)) plain.push(...step.ids);
    expect(ids).toEqual(plain);
    const rejected = rounds.filter(({ accepted, tested }) => accepted < tested).length;
    expect(rejected).toBeGreaterThan(0);
    // A rejection that leaves room for drafts opens a stream from the corrected text.
    expect(streams.length).toBeGreaterThan(1);
    expect(streams.length).toBeLessThanOrEqual(1 + rejected);
  });

  it("optimal: drawn drafts arrive with their laws and are mostly kept", async () => {
    const { ids, rounds } = await run(mode, { temperature: 1 }, "optimal");
    expect(ids).toHaveLength(40);
    ids.forEach((id, i) => {
      const step = (id - (i === 0 ? 1 : ids[i - 1]) + vocabSize) % vocabSize;
      expect([1, 2]).toContain(step);
    });
    const sum = (field: "accepted" | "tested") =>
      rounds.reduce((total, round) => total + round[field], 0);
    // 1 - TV of (.8, .2) and (.6, .4) is .8.
    expect(sum("accepted") / sum("tested")).toBeGreaterThan(0.6);
    expect(sum("tested")).toBeGreaterThan(20);
  });
});
