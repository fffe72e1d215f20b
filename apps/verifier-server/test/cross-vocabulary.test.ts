/** A draft server whose draft model has another tokenizer than the target. */
import { fileURLToPath } from "node:url";
import { draftServerConfig, serveDraft } from "@veridraft/draft-server";
import { smolLM2 } from "@veridraft/model-smollm2";
import { createVerifierClient } from "@veridraft/rpc/client";
import { Coupling, Sampling } from "@veridraft/rpc/verifier";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { expect, it, onTestFinished } from "vitest";
import { collect, request, undrafted } from "./harness.ts";

/** 260 tokens, nearly all of one byte; a context of 128. */
const small = fileURLToPath(
  new URL("../../../packages/engine-onnx/test/fixtures/gguf/llama.gguf", import.meta.url),
);
const drafted = { drafter: "model", numSpeculativeTokens: 4 };

async function serve(model: string, draftModel: string) {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const draft = await serveDraft(
    draftServerConfig.parse({ port: 0, model, draftModel, graceMs: 0 }),
  );
  const settings = { port: 0, model, draftServer: draft.address, roundTimeoutMs: 5000, graceMs: 0 };
  const verifier = await serveVerifier(verifierServerConfig.parse(settings), { warn });
  const client = createVerifierClient(verifier.address);
  onTestFinished(async () => {
    client.close();
    await verifier.stop();
    await draft.stop();
  });
  return { client, warnings };
}

it.each([
  ["seeded", Coupling.COUPLING_SEEDED],
  ["optimal, greedy", Coupling.COUPLING_OPTIMAL],
])(
  "drafts, and the text is that of plain decoding: %s",
  { timeout: 60_000 },
  async (_, coupling) => {
    const { client, warnings } = await serve(small, smolLM2.path);
    const temperature = coupling === Coupling.COUPLING_SEEDED ? 1 : 0;
    const message = request({
      maxTokens: 32,
      sampling: Sampling.create({ temperature, seed: 5n, coupling }),
    });
    const { ids, finished } = await collect(client.generate({ ...message, speculation: drafted }));
    const plain = await collect(client.generate({ ...message, speculation: undrafted }));
    expect(ids).toEqual(plain.ids);
    expect(finished.stats).toMatchObject({ drafter: "model", undraftedRounds: 0 });
    // The loop itself guesses one token where nothing is drafted.
    expect(finished.stats?.proposed).toBeGreaterThan(2 * (finished.stats?.rounds ?? 0));
    expect(warnings).toEqual([]);
  },
);

it(
  "drafts what both have, and nothing once its own tokens fill its context",
  { timeout: 60_000 },
  async () => {
    const { client, warnings } = await serve(smolLM2.path, small);
    const message = request({ maxTokens: 40, speculation: drafted });
    const { ids, finished } = await collect(client.generate(message));
    const plain = await collect(client.generate({ ...message, speculation: undrafted }));
    expect(ids).toEqual(plain.ids);
    const { proposed = 0, rounds = 0 } = finished.stats ?? {};
    expect(proposed).toBeGreaterThan(rounds);
    // 40 tokens of some four letters do not fit beside the prompt of 64.
    expect(proposed).toBeLessThan(3 * rounds);
    expect(warnings).toEqual([]);
  },
);
