import { draftServerConfig, serveDraft } from "@veridraft/draft-server";
import { readGguf } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { decodeInt32, encodeUint32 } from "@veridraft/rpc";
import { createDraftClient } from "@veridraft/rpc/client";
import { tokenizerFromGguf } from "@veridraft/tokenization";
import { expect, it, onTestFinished } from "vitest";

it("drafts with a real model, in step with what was committed", { timeout: 120_000 }, async () => {
  const server = await serveDraft(
    draftServerConfig.parse({ port: 0, drafter: "model", draftModel: smolLM2.path }),
  );
  const client = createDraftClient(server.address);
  onTestFinished(async () => {
    client.close();
    await server.stop();
  });
  expect(server.drafters[0]).toBe("model");
  const tokenizer = tokenizerFromGguf((await readGguf(smolLM2.path)).metadata);
  const ids = tokenizer.encode("The capital of France is");

  const call = client.draft();
  const open = { tokenizerSha256: tokenizer.sha256, ids: encodeUint32(ids), drafter: "" };
  await call.send({ request: { $case: "open", value: open } });
  const drafts: string[] = [];
  for await (const { response } of call.responses) {
    if (response?.$case === "proposal") {
      drafts.push(tokenizer.decode(decodeInt32(response.value.tokens, "tokens", 3)));
    }
    if (drafts.length === 2) call.end();
    else {
      const commit = encodeUint32(drafts.length === 0 ? [] : tokenizer.encode(drafts[0]));
      const value = { commit, budget: 3, round: drafts.length };
      await call.send({ request: { $case: "propose", value } });
    }
  }
  expect(drafts[0]).toMatch(/^ Paris/);
  // What was committed was drafted, and the text goes on.
  expect(drafts[1]).not.toBe(drafts[0]);
});
