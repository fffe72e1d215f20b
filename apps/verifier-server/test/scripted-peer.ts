/** Draft servers that answer as a test wants, and remote drafters that ask them. */
import { createRng, defaultSampling } from "@veridraft/core-probs";
import { decodeUint32, encodeFloat32, encodeInt32, encodeUint32 } from "@veridraft/rpc";
import { createDraftClient } from "@veridraft/rpc/client";
import {
  type DraftRequest,
  DraftResponse,
  DraftServiceService,
  Proposal,
} from "@veridraft/rpc/draft";
import {
  type Implementation,
  type RunningServer,
  service,
  startServer,
} from "@veridraft/rpc/server";
import { onTestFinished } from "vitest";
import { createRemoteDrafter, Outage, type RemoteDrafterOptions } from "../src/remote-drafter.ts";

export type Peer = Implementation<typeof DraftServiceService>["draft"];
export type Request = NonNullable<DraftRequest["request"]>;

export const vocabSize = 10;
export const context = (ids: number[], budget = 4) => ({ ids, budget, key: createRng(0) });

export function opened(drafter = "scripted", successors = 0, tapWidth = 0): DraftResponse {
  return DraftResponse.create({
    response: { $case: "opened", value: { drafter, successors, tapWidth } },
  });
}

/** A chain of tokens, with anything else replaced. */
export function proposal(
  round: number,
  tokens: number[],
  changes: Partial<Proposal> = {},
): DraftResponse {
  const value = Proposal.create({
    round,
    tokens: encodeUint32(tokens),
    parents: encodeInt32(tokens.map((_, i) => i - 1)),
    confidences: encodeFloat32(tokens.map(() => 0.5)),
    ...changes,
  });
  return DraftResponse.create({ response: { $case: "proposal", value } });
}

/** Opens and answers every request with `answer`, which is told the round and the requests so far. */
export function answering(
  answer: (round: number, request: Request) => DraftResponse | Promise<DraftResponse>,
  successors = 0,
): { peer: Peer; seen: Request[] } {
  const seen: Request[] = [];
  return {
    seen,
    async *peer(requests) {
      for await (const { request } of requests) {
        if (!request) continue;
        seen.push(request);
        yield request.$case === "open"
          ? opened("scripted", successors)
          : await answer(request.value.round, request);
      }
    },
  };
}

const noInfo = async () => ({ model: undefined, drafters: [] });

export async function listen(peer: Peer, port = 0): Promise<RunningServer> {
  const server = await startServer({
    services: [service(DraftServiceService, { draft: peer, getModelInfo: noInfo })],
    port,
  });
  onTestFinished(() => server.stop(0));
  return server;
}

export function connect(address: string, options: Partial<RemoteDrafterOptions> = {}) {
  const client = createDraftClient(address);
  const warnings: string[] = [];
  const drafter = createRemoteDrafter(client, {
    tokenizerSha256: "ab",
    vocabSize,
    drafter: "",
    sampling: defaultSampling,
    coupling: "seeded",
    seed: 7n,
    outage: new Outage((message) => warnings.push(message)),
    roundTimeoutMs: 2000,
    ...options,
  });
  onTestFinished(() => {
    drafter.dispose();
    client.close();
  });
  return { drafter, warnings };
}

export async function serve(peer: Peer, options: Partial<RemoteDrafterOptions> = {}) {
  const server = await listen(peer);
  return { server, ...connect(server.address, options) };
}

export function read(bytes: Uint8Array): number[] {
  return [...decodeUint32(bytes, "ids", 100)];
}
