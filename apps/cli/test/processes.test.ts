/** The commands that run until they are told to end: servers, the conversation, and what talks to a server. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { bin, runSync as run } from "./run.ts";

/** Starts `veridraft serve`; resolves with its address when it is ready. */
async function serve(...args: string[]): Promise<{ server: ChildProcess; address: string }> {
  const server = spawn(process.execPath, [bin, "serve", ...args, "--port", "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
  return { server, address: line.slice(line.lastIndexOf(" ") + 1) };
}

async function terminate(server: ChildProcess): Promise<unknown[]> {
  const exited = once(server, "exit");
  server.kill("SIGTERM");
  return exited;
}

describe("veridraft serve, and generate --verifier", () => {
  let draft: { server: ChildProcess; address: string };
  let verifier: { server: ChildProcess; address: string };

  beforeAll(async () => {
    draft = await serve("draft");
    verifier = await serve("verifier", "--draft-server", draft.address);
  }, 60_000);

  afterAll(async () => {
    await terminate(verifier.server);
    await terminate(draft.server);
  });

  it("gives what generating in this process gives", { timeout: 60_000 }, () => {
    const flags = "--temperature 0.8 --seed 3 --max-tokens 24 --logprobs 2 --json".split(" ");
    const here = JSON.parse(run("generate", "Tell me a story.", ...flags).out);
    const remote = run("generate", "Tell me a story.", ...flags, "--verifier", verifier.address);
    expect(remote.code).toBe(0);
    const { stats, topLogProbs, ...same } = JSON.parse(remote.out);
    expect(here).toMatchObject(same);
    expect(topLogProbs).toEqual(here.topLogProbs);
    expect(stats).toMatchObject({ drafter: "auto" });
  });

  it.each([
    ["block", true],
    ["typical", false],
  ])("takes the verification %s along; lossless: %s", { timeout: 60_000 }, (name, lossless) => {
    const flags = ["--coupling", "optimal", "--verification", name, "--max-tokens", "4", "--json"];
    const args = ["Tell me a story.", "--verifier", verifier.address, ...flags];
    expect(JSON.parse(run("generate", ...args).out).stats).toMatchObject({ lossless });
  });

  it("prints log-probabilities under a text", { timeout: 60_000 }, () => {
    const flags = ["--raw", "--max-tokens", "2", "--logprobs", "1", "--verifier", verifier.address];
    const { code, out } = run("generate", "The capital of France is", ...flags);
    expect(code).toBe(0);
    const number = String.raw`-\d\.\d{4}`;
    const line = (piece: string): string =>
      String.raw` +${number}  "${piece}"  "${piece}" ${number}`;
    expect(out).toMatch(new RegExp(`^ Paris\\.\\n${line(" Paris")}\\n${line("\\.")}\\n$`));
  });

  it("says what a server refuses", () => {
    const flags = ["--verifier", verifier.address, "--drafter", "model"];
    const { code, out, err } = run("generate", "x", ...flags);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(
      /^veridraft: [^\n]*must be one of auto, suffix, suffix-decoding, prompt-lookup[^\n]*\n$/,
    );
  });

  it("ends with exit code 0 on SIGTERM", async () => {
    const { server } = await serve("draft");
    expect(await terminate(server)).toEqual([0, null]);
  });

  it("refuses a port in use with one sentence", () => {
    const port = draft.address.split(":")[1];
    const { code, err } = run("serve", "draft", "--port", port);
    expect({ code, err }).toEqual({
      code: 1,
      err: `veridraft: startServer: cannot listen on 127.0.0.1:${port}: it is in use\n`,
    });
  });
});

it("says that nobody listens where a verifier should be", () => {
  const { code, out, err } = run("generate", "x", "--verifier", "127.0.0.1:1");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/^veridraft: [^\n]*127\.0\.0\.1:1[^\n]*\n$/);
});

describe("veridraft chat", () => {
  it(
    "answers, stops an answer on the first Ctrl-C and leaves on the second",
    { timeout: 60_000 },
    async () => {
      const child = spawn(
        process.execPath,
        [
          "--conditions=@veridraft/source",
          "--import=tsx",
          fileURLToPath(new URL("../src/main.ts", import.meta.url)),
          "chat",
          "--max-tokens",
          "2000",
        ],
        { stdio: ["pipe", "pipe", "inherit"] },
      );
      onTestFinished(() => void child.kill("SIGKILL"));
      const exited = once(child, "exit");
      let shown = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (shown += text));
      const saw = async (pattern: RegExp, from: number): Promise<void> => {
        await expect
          .poll(() => shown.slice(from), { timeout: 20_000, interval: 20 })
          .toMatch(pattern);
      };

      for (const from of [0, 1]) {
        child.stdin.write("Write a very long story about a fox and a dog.\n");
        const start = from * shown.length;
        await saw(/(\w+ ){3}/, start);
        child.kill("SIGINT");
        await saw(/\n> $/, start);
        // The whole story has some 2,000 characters.
        expect(shown.length - start).toBeLessThan(400);
      }
      child.kill("SIGINT");
      expect(await exited).toEqual([0, null]);
    },
  );

  it("ends with its input", { timeout: 60_000 }, () => {
    const { status, stdout } = spawnSync(process.execPath, [bin, "chat", "--max-tokens", "8"], {
      input: "Hello\n\n",
      encoding: "utf8",
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^> \S[^\n]*\n/);
  });
});
