import {
  createDraftClient,
  createVerifierClient,
  type VerifierClient,
} from "@veridraft/rpc/client";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  collect,
  failure,
  type Generated,
  hold,
  large,
  request,
  type ServerProcess,
  startProcess,
  undrafted,
} from "./harness.ts";

/** Sampled: greedy text repeats itself and would be drafted in a few chunks. */
const long = request({
  ...large,
  maxTokens: 96,
  sampling: { temperature: 0.9, seed: 7n, coupling: 0 },
});

let draft: ServerProcess;
let verifier: ServerProcess;
let client: VerifierClient;
let plain: Generated;

beforeAll(async () => {
  draft = await startProcess("draft");
  const args = ["--draft-server", draft.address, "--round-timeout-ms", "5000"];
  verifier = await startProcess("verifier", ...args);
  client = createVerifierClient(verifier.address);
  plain = await collect(client.generate({ ...long, speculation: undrafted }));
  return () => client.close();
}, 120_000);

/** Resolves when calls are refused. */
async function refused(call: () => Promise<unknown>): Promise<void> {
  const status = (): Promise<string> => call().then(String, ({ code }) => code);
  await expect.poll(status, { timeout: 10_000 }).toBe("UNAVAILABLE");
}

describe("SIGTERM", { timeout: 60_000 }, () => {
  it("lets the draft server draft on for the text that runs, refuse any other, and exit with 0", async () => {
    const running = await hold(verifier.address, long);
    draft.terminate();
    const late = createDraftClient(draft.address);
    onTestFinished(() => late.close());
    await refused(() => late.getModelInfo({}));
    const call = late.draft();
    expect(await failure(call.responses[Symbol.asyncIterator]().next())).toMatchObject({
      code: "UNAVAILABLE",
    });
    const { text, ids, finished } = await running.rest();
    expect({ text, ids }).toEqual({ text: plain.text, ids: plain.ids });
    expect(finished.stats).toMatchObject({ drafter: "auto", undraftedRounds: 0 });
    expect(await draft.ended).toMatchObject({ code: 0, err: "" });
  });

  it("lets the verifier finish the text that runs, refuse any other, and exit with 0", async () => {
    // The draft server is gone by now.
    const running = await hold(verifier.address, long);
    verifier.terminate();
    const late = createVerifierClient(verifier.address);
    onTestFinished(() => late.close());
    await refused(() => late.getModelInfo({}));
    for (const each of [late, client]) {
      expect(await failure(collect(each.generate(long)))).toMatchObject({ code: "UNAVAILABLE" });
    }
    const { text, ids, finished } = await running.rest();
    expect({ text, ids }).toEqual({ text: plain.text, ids: plain.ids });
    expect(finished.stats?.undraftedRounds).toBeGreaterThan(0);
    const { code, err } = await verifier.ended;
    expect(code).toBe(0);
    // All that either server had to say.
    expect(err).toMatch(/^veridraft: the draft server does not draft: [^\n]+\n$/);
  });
});
