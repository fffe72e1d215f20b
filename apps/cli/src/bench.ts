/**
 * Tokens per second, plain and drafted, per kind of prompt, beside node-llama-cpp on the same file.
 *
 * Every engine is in processes of its own, ours the two servers. A round asks each engine one prompt of each kind, in an order that rotates; no prompt
 * is asked twice of an engine, since a drafter that has seen an answer drafts it better. Speeds are medians over the rounds.
 */
import { cpus } from "node:os";
import { chatTemplateFromGguf, readGguf, usableCpus } from "@veridraft/engine-onnx";
import { encodePrompt } from "@veridraft/spec-decoding";
import { tokenizerFromGguf } from "@veridraft/tokenization";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { benchPrompts } from "./bench-prompts.ts";
import type { Generator } from "./generator.ts";
import { generateOptions, jsonOption, modelOptions } from "./options.ts";
import type { JsonProcess } from "./json-process.ts";
import { median } from "./median.ts";
import { llamaCpp, peerIsMissing, startPeer } from "./peer.ts";
import { openRemote } from "./remote.ts";
import { withServers } from "./server-process.ts";

const mostRounds = 3;

export const benchOptions = modelOptions.omit({ device: true, cacheType: true }).extend({
  weights: modelOptions.shape.weights.default("int8"),
  drafter: generateOptions.shape.drafter,
  maxTokens: z.int().min(2).max(1024).default(96).describe("Most tokens of an answer."),
  rounds: z.int().min(1).max(mostRounds).default(mostRounds).describe("Prompts of each kind."),
  json: jsonOption,
});
type BenchFlags = z.output<typeof benchOptions>;

/** An answer as an engine gave it. */
interface Run {
  readonly ids: readonly number[];
  /** Of the text after its first token. */
  readonly tokensPerSecond: number;
  /** Tokens a forward of the target; absent where the engine does not say. */
  readonly meanAcceptanceLength?: number;
}

/** An engine: answers a prompt. */
type Engine = (content: string) => Promise<Run>;

/** What an engine did with the prompts of a kind. */
interface Row {
  readonly kind: string;
  readonly engine: string;
  readonly tokensPerSecond: number;
  readonly meanAcceptanceLength: number | null;
  /** Whether every answer is that of the first engine, token for token. */
  readonly sameText: boolean;
}

/** `veridraft bench`. */
export async function bench(flags: BenchFlags): Promise<void> {
  const missing = peerIsMissing(llamaCpp);
  if (missing !== null) process.stderr.write(`${missing}\n`);
  const peers: JsonProcess[] = [];
  await withServers(flags, async (_draft, verifier) => {
    const generator = openRemote(verifier.address);
    try {
      const engines = ours(generator, flags);
      if (missing === null) {
        for (const lookup of [false, true]) {
          const drafting = lookup ? ["--lookup"] : [];
          const peer = await startPeer(llamaCpp, flags.model, usableCpus(), ...drafting);
          peers.push(peer);
          engines.set(lookup ? "llama.cpp lookup" : "llama.cpp", await theirs(peer, flags));
        }
      }
      const rows = await measure(engines, flags.rounds);
      const machine = `${cpus().length} x ${cpus()[0].model}, Node ${process.version}`;
      const versions = peers.slice(0, 1).map(({ greeting }) => greeting.version);
      const about = [machine, ...versions, `weights ${flags.weights}`].join("; ");
      const report = flags.json
        ? JSON.stringify({ about, rows })
        : `${table(rows, [...engines.keys()])}\n\nTokens/s, medians of ${flags.rounds}. ${about}`;
      process.stdout.write(`${report}\n`);
    } finally {
      await generator.dispose();
      for (const peer of peers) await peer.stop();
    }
  });
}

/** Our two servers, plain first. */
function ours(generator: Generator, { drafter, maxTokens }: BenchFlags): Map<string, Engine> {
  const names = drafter === "none" ? ["none"] : ["none", drafter];
  return new Map(
    names.map((name) => {
      const flags = generateOptions.parse({ maxTokens, drafter: name });
      const engine: Engine = async (content) => {
        const prompt = [{ role: "user" as const, content }];
        const { ids, stats } = await generator.generate({ prompt, flags, seed: 0, onText() {} });
        return { ids, ...stats };
      };
      return [name === "none" ? "plain" : name, engine];
    }),
  );
}

async function theirs(peer: JsonProcess, { model, maxTokens }: BenchFlags): Promise<Engine> {
  const { metadata } = await readGguf(model);
  const tokenizer = tokenizerFromGguf(metadata);
  const chatTemplate = chatTemplateFromGguf(metadata);
  return async (content) => {
    const ids = encodePrompt({ tokenizer, chatTemplate }, [{ role: "user", content }]);
    return peer.ask({ op: "generate", promptIds: Array.from(ids), maxTokens });
  };
}

async function measure(engines: ReadonlyMap<string, Engine>, rounds: number): Promise<Row[]> {
  const names = [...engines.keys()];
  const kinds = Object.keys(benchPrompts);
  const runs = new Map<string, Run[]>();
  const run = async (name: string, content: string): Promise<Run> =>
    (engines.get(name) as Engine)(content);
  for (const name of names) await run(name, "Say hello.");
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      process.stderr.write(`round ${round + 1} of ${rounds}: ${kind}\n`);
      for (let i = 0; i < names.length; i++) {
        const engine = names[(i + round) % names.length];
        const key = `${kind} ${engine}`;
        runs.set(key, [...(runs.get(key) ?? []), await run(engine, benchPrompts[kind][round])]);
      }
    }
  }
  return kinds.flatMap((kind) => {
    const [first] = names.map((engine) => runs.get(`${kind} ${engine}`) as Run[]);
    return names.map((engine) => {
      const own = runs.get(`${kind} ${engine}`) as Run[];
      const lengths = own.map(({ meanAcceptanceLength }) => meanAcceptanceLength ?? NaN);
      return {
        kind,
        engine,
        tokensPerSecond: median(own.map(({ tokensPerSecond }) => tokensPerSecond)),
        meanAcceptanceLength: Number.isNaN(lengths[0]) ? null : median(lengths),
        sameText: own.every(({ ids }, i) => ids.join() === first[i].ids.join()),
      };
    });
  });
}

/** A kind a line: each engine's speed, and for those that draft how it compares with plain. */
function table(rows: readonly Row[], engines: readonly string[]): string {
  const [plain] = engines;
  const lines = Object.keys(benchPrompts).map((kind) => {
    const own = rows.filter((row) => row.kind === kind);
    const base = own[0].tokensPerSecond;
    return [kind, ...own.map((row) => cell(row, base))];
  });
  const header = ["", plain, ...engines.slice(1).map((engine) => `${engine} (of ${plain})`)];
  return markdownTable([header, ...lines], { align: ["l", ...engines.map(() => "r")] });
}

function cell(row: Row, base: number): string {
  const speed = row.tokensPerSecond.toFixed(1);
  if (row.engine === "plain") return speed;
  const length = row.meanAcceptanceLength;
  const accepted = length === null ? "" : `, ${length.toFixed(2)} a forward`;
  const differs = length !== null && !row.sameText ? ", TEXT DIFFERS" : "";
  return `${speed} (${(row.tokensPerSecond / base).toFixed(2)}${accepted}${differs})`;
}
