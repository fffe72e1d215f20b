import type { GenerateRequest } from "@veridraft/rpc/verifier";
import { createVerifierClient, type VerifierClient } from "@veridraft/rpc/client";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { draftServerConfig, serveDraft } from "@veridraft/draft-server";
import { beforeAll, expect, it } from "vitest";
import { collect, type Generated, request, undrafted } from "./harness.ts";

let client: VerifierClient;

beforeAll(async () => {
  const draft = await serveDraft(draftServerConfig.parse({ port: 0 }));
  const verifier = await serveVerifier(
    verifierServerConfig.parse({ port: 0, draftServer: draft.address }),
  );
  client = createVerifierClient(verifier.address);
  return async () => {
    client.close();
    await verifier.stop();
    await draft.stop();
  };
}, 120_000);

function ask(value: string, more: Partial<GenerateRequest>): Promise<Generated> {
  const prompt = { $case: "text" as const, value };
  const sampling = { temperature: 0.8, seed: 11n, coupling: 0 as const };
  return collect(client.generate(request({ prompt, maxTokens: 32, sampling, ...more })));
}

it(
  "generations that run together have the texts of generations alone",
  { timeout: 240_000 },
  async () => {
    const openings = [
      "Once upon a time, the fox met the dog. Once upon a time, the fox",
      "The capital of France is",
      "def add(a, b):\n    return",
      "Water boils at",
      "The three largest planets are",
      "To make tea, first",
    ];
    const alone: string[] = [];
    for (const opening of openings) {
      alone.push((await ask(opening, { speculation: undrafted })).text);
    }
    const together = await Promise.all(openings.map((opening) => ask(opening, {})));
    expect(together.map(({ text }) => text)).toEqual(alone);
    expect(together.some(({ finished }) => (finished.stats?.accepted ?? 0) > 0)).toBe(true);
  },
);
