/** The settings of speculation on their way to two servers, of small networks. */
import { fileURLToPath } from "node:url";
import { draftServerConfig, serveDraft } from "@veridraft/draft-server";
import { createVerifierClient, type VerifierClient } from "@veridraft/rpc/client";
import { Coupling, Sampling, Speculation } from "@veridraft/rpc/verifier";
import { speculationConfig } from "@veridraft/spec-decoding";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { beforeAll, describe, expect, it } from "vitest";
import { collect, failure, request } from "./harness.ts";

const fixture = (name: string): string =>
  fileURLToPath(
    new URL(`../../../packages/engine-onnx/test/fixtures/gguf/${name}.gguf`, import.meta.url),
  );
const model = fixture("llama");

let client: VerifierClient;

beforeAll(async () => {
  const draft = await serveDraft(
    draftServerConfig.parse({ port: 0, model, draftModel: fixture("qwen2"), graceMs: 0 }),
  );
  const settings = { port: 0, model, draftServer: draft.address, roundTimeoutMs: 5000, graceMs: 0 };
  const verifier = await serveVerifier(verifierServerConfig.parse(settings));
  client = createVerifierClient(verifier.address);
  return async () => {
    client.close();
    await verifier.stop();
    await draft.stop();
  };
}, 60_000);

async function generated(speculation: Partial<Speculation>, sampling: Partial<Sampling> = {}) {
  return collect(
    client.generate(
      request({
        speculation: Speculation.create({ drafter: "model", ...speculation }),
        sampling: Sampling.create({ temperature: 1, seed: 3n, ...sampling }),
        maxTokens: 40,
      }),
    ),
  );
}
const optimal = { coupling: Coupling.COUPLING_OPTIMAL };

describe("the settings of speculation over the wire", () => {
  it("has a field for each setting but the coupling, which is one of sampling, and the table of lantern", () => {
    const settings = Object.keys(speculationConfig.shape);
    const elsewhere = ["coupling", "lantern"];
    expect(Object.keys(Speculation.create()).toSorted()).toEqual(
      settings.filter((name) => !elsewhere.includes(name)).toSorted(),
    );
  });

  it("says whether the verifier is lossless, and takes a lossy one only by its name", async () => {
    for (const verification of [undefined, "standard", "block", "traversal", "match"]) {
      const { finished } = await generated({ verification, numSpeculativeTokens: 4 }, optimal);
      expect([verification, finished.stats?.lossless]).toEqual([verification, true]);
    }
    for (const verification of ["typical", "threshold"]) {
      const { finished } = await generated({ verification, numSpeculativeTokens: 4 }, optimal);
      expect([verification, finished.stats?.lossless]).toEqual([verification, false]);
    }
  });

  it("gives the text of plain decoding with any schedule, seeded", async () => {
    const plain = await generated({ drafter: "none" });
    for (const schedule of ["auto", "constant", "heuristic", "confidence", "goodput"]) {
      const { ids } = await generated({ schedule });
      expect([schedule, ids]).toEqual([schedule, plain.ids]);
    }
  });

  it("keeps to the number of nodes and to the confidence that it is told", async () => {
    const { finished } = await generated({ schedule: "heuristic", maxTreeNodes: 1 });
    expect(finished.stats?.proposed).toBeLessThanOrEqual(finished.stats?.rounds ?? 0);
    // The likeliest of 260 tokens of a random network is never that sure: a draft stops after its first token.
    const sure = await generated({ schedule: "confidence", confidenceThreshold: 0.999 });
    const unsure = await generated({ schedule: "confidence", confidenceThreshold: 0 });
    const perRound = ({ finished: { stats } }: typeof sure): number =>
      (stats?.proposed ?? 0) / (stats?.rounds ?? 1);
    expect(perRound(sure)).toBeLessThan(perRound(unsure) / 2);
  });

  it.each<[string, Partial<Speculation>, Partial<Sampling>]>([
    [
      'speculation.verification: Invalid option: expected one of "standard"|"specinfer"|"withoutReplacement"|"match"|"block"|"traversal"|"typical"|"threshold"|"lantern", got "medusa"',
      { verification: "medusa" },
      optimal,
    ],
    [
      "speculation.verification: lantern needs the neighbor table of a codebook; give lantern, with neighbors and one of delta and lambda",
      { verification: "lantern" },
      optimal,
    ],
    [
      'generate: verifier typical-acceptance needs the coupling "optimal", got "seeded"',
      { verification: "typical" },
      {},
    ],
    [
      'speculation.schedule: Invalid option: expected one of "auto"|"constant"|"heuristic"|"confidence"|"goodput", got "never"',
      { schedule: "never" },
      {},
    ],
    [
      "speculation.max_tree_nodes: Too small: expected number to be >=1, got 0",
      { maxTreeNodes: 0 },
      {},
    ],
    [
      "speculation.confidence_threshold: Too big: expected number to be <1, got 1",
      { confidenceThreshold: 1 },
      {},
    ],
  ])("refuses with %s", async (message, speculation, sampling) => {
    expect(await failure(generated(speculation, sampling))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message,
    });
  });
});
