import { draftServerConfig, serveDraft } from "@veridraft/draft-server";
import {
  createDraftClient,
  createVerifierClient,
  type VerifierClient,
} from "@veridraft/rpc/client";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  collect,
  failure,
  freePort,
  ggufText,
  metadataOnly,
  request,
  undrafted,
  writeTemporary,
} from "./harness.ts";

let draftPort: number;
let client: VerifierClient;
const warnings: string[] = [];

beforeAll(async () => {
  draftPort = await freePort();
  const verifier = await serveVerifier(
    verifierServerConfig.parse({ port: 0, draftServer: `127.0.0.1:${draftPort}` }),
    { warn: (message) => warnings.push(message) },
  );
  client = createVerifierClient(verifier.address);
  return async () => {
    client.close();
    await verifier.stop();
  };
}, 120_000);

/** A model with the pieces of the embedded one, two of which have each other's id. */
async function otherTokenizer(): Promise<string> {
  const header = await metadataOnly();
  const [paris, tokyo] = ["ĠParis", "ĠTokyo"].map(ggufText);
  const [first, second] = [paris, tokyo].map((piece) => header.indexOf(piece));
  expect(Math.min(first, second)).toBeGreaterThan(0);
  tokyo.copy(header, first);
  paris.copy(header, second);
  return writeTemporary("other-tokenizer.gguf", header);
}

describe("a draft server that was never there", () => {
  it("changes no text and is warned of once", { timeout: 120_000 }, async () => {
    for (const sampling of [undefined, { temperature: 0.9, seed: 7n, coupling: 0 as const }]) {
      const plain = await collect(client.generate(request({ sampling, speculation: undrafted })));
      const { text, ids, finished } = await collect(client.generate(request({ sampling })));
      expect({ text, ids }).toEqual({ text: plain.text, ids: plain.ids });
      expect(finished.stats?.undraftedRounds).toBeGreaterThan(0);
    }
    expect(warnings).toEqual([
      expect.stringMatching(/^the draft server does not draft: .*ECONNREFUSED/),
    ]);
  });
});

describe("a draft server with another tokenizer", () => {
  it("makes the verifier refuse to draft with it, naming both tokenizers, and not to generate", async () => {
    const model = await otherTokenizer();
    const draft = await serveDraft(draftServerConfig.parse({ port: draftPort, model }));
    const draftClient = createDraftClient(draft.address);
    onTestFinished(async () => {
      draftClient.close();
      await draft.stop();
    });
    const caller = (await client.getModelInfo({})).model?.tokenizerSha256 ?? "";
    const server = (await draftClient.getModelInfo({})).model?.tokenizerSha256 ?? "";
    expect(caller).not.toBe(server);
    const drafted = () => collect(client.generate(request({ maxTokens: 4 })));
    // The verifier may still wait before it dials again.
    await expect
      .poll(() => drafted().then(String, ({ code }) => code), { timeout: 15_000 })
      .toBe("FAILED_PRECONDITION");
    expect(await failure(drafted())).toMatchObject({
      code: "FAILED_PRECONDITION",
      message: `the tokenizers differ: the caller's is ${caller}, the draft server's is ${server}`,
      details: [{ reason: "TOKENIZER_MISMATCH", metadata: { caller, server } }],
    });
    const plain = request({ maxTokens: 4, speculation: undrafted });
    expect((await collect(client.generate(plain))).ids).toHaveLength(4);
  });
});
