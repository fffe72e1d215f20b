/** A draft and a verifier service over a real socket, each handler replaceable. */
import { createDraftClient, createVerifierClient } from "@veridraft/rpc/client";
import { DraftResponse, DraftServiceService, GetModelInfoResponse } from "@veridraft/rpc/draft";
import {
  type Implementation,
  type ServerOptions,
  service,
  startServer,
} from "@veridraft/rpc/server";
import * as verifier from "@veridraft/rpc/verifier";
import { onTestFinished } from "vitest";

type Draft = Implementation<typeof DraftServiceService>;
type Verifier = Implementation<typeof verifier.VerifierServiceService>;

const draftDefaults: Draft = {
  async *draft(requests) {
    for await (const { request } of requests) {
      if (request?.$case === "propose") yield answer(request.value.round);
    }
  },
  getModelInfo: async () => GetModelInfoResponse.create({ drafters: ["suffix"] }),
};

const verifierDefaults: Verifier = {
  async *generate() {
    yield text("a");
  },
  score: async () => verifier.ScoreResponse.create(),
  async *predict() {},
  tokenize: async ({ text: given }) =>
    verifier.TokenizeResponse.create({ ids: [...Buffer.from(given)] }),
  detokenize: async () => verifier.DetokenizeResponse.create(),
  getModelInfo: async () => verifier.GetModelInfoResponse.create(),
};

/** A proposal that only echoes its round. */
export function answer(round: number): DraftResponse {
  return DraftResponse.create({ response: { $case: "proposal", value: { round } } });
}

/** A chunk of a generation. */
export function text(value: string): verifier.GenerateResponse {
  return verifier.GenerateResponse.create({
    response: { $case: "chunk", value: { text: value } },
  });
}

/** The text of a chunk, "" for anything else. */
export function textOf({ response }: verifier.GenerateResponse): string {
  return response?.$case === "chunk" ? response.value.text : "";
}

/** A request to propose. */
export function propose(round: number) {
  return { request: { $case: "propose" as const, value: proposeOf(round) } };
}

function proposeOf(round: number) {
  return { commit: new Uint8Array(0), budget: 1, round };
}

/** Starts a server and one client of each service; all end with the test. */
export async function serve(
  handlers: { draft?: Partial<Draft>; verifier?: Partial<Verifier> } = {},
  options: Partial<ServerOptions> = {},
  clientOptions: Parameters<typeof createDraftClient>[1] = {},
) {
  const server = await startServer({
    services: [
      service(DraftServiceService, { ...draftDefaults, ...handlers.draft }, ["getModelInfo"]),
      service(verifier.VerifierServiceService, { ...verifierDefaults, ...handlers.verifier }),
    ],
    ...options,
  });
  const draft = createDraftClient(server.address, clientOptions);
  const verify = createVerifierClient(server.address, clientOptions);
  onTestFinished(async () => {
    draft.close();
    verify.close();
    await server.stop(0);
  });
  return { server, draft, verify };
}

/** A promise and what settles it. */
export function deferred<T = void>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The error that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: unknown) => error,
  );
}

/** All that a stream yields. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}
