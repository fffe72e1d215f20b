/** Generations and what reads them, the servers as processes, and model files that are not as they should be. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, credentials } from "@grpc/grpc-js";
import { readGguf } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import type { RpcError } from "@veridraft/rpc";
import {
  type Finished,
  type GenerateRequest,
  type GenerateResponse,
  VerifierServiceService,
} from "@veridraft/rpc/verifier";
import { afterAll, onTestFinished } from "vitest";

const program = fileURLToPath(new URL("../../cli/bin/veridraft.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "veridraft-verifier-"));
const processes = new Set<ChildProcess>();

afterAll(() => {
  for (const { pid } of processes) endGroup(pid);
  rmSync(folder, { recursive: true });
});

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

/** What drafts nothing. */
export const undrafted = { drafter: "none", numSpeculativeTokens: 0 };

/** A generation of a text that repeats itself. */
export function request(more: Partial<GenerateRequest> = {}): GenerateRequest {
  const value = "Once upon a time, the fox met the dog. Once upon a time, the fox";
  return { prompt: { $case: "text", value }, maxTokens: 64, stop: [], ...more };
}

/** A whole generation. */
export interface Generated {
  readonly text: string;
  readonly ids: number[];
  readonly finished: Finished;
}

/** Reads a generation to its end. */
export async function collect(responses: AsyncIterable<GenerateResponse>): Promise<Generated> {
  let text = "";
  const ids: number[] = [];
  for await (const { response } of responses) {
    if (response?.$case === "finished") return { text, ids, finished: response.value };
    if (response?.$case !== "chunk") continue;
    text += response.value.text;
    ids.push(...response.value.ids);
  }
  throw new Error("the stream ended early");
}

/** The error that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<RpcError> {
  return promise.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: RpcError) => error,
  );
}

/** A client without the kit, which ends with the test. */
export function dial(address: string, options: object = {}): Client {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    "grpc.use_local_subchannel_pool": 1,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

/** About 1 KiB a chunk: some fifty fill all buffers on the way to a reader with a small window. */
export const large = { logProbs: { top: 64 } };

/**
 * Begins a generation, reads one message and then nothing more until `rest` is called, which reads on and returns all of it.
 *
 * @param message With {@link large} and more than fifty chunks the server has to wait.
 */
export async function hold(address: string, message: GenerateRequest) {
  const client = dial(address, { "grpc-node.flow_control_window": 1024 });
  const { path, requestSerialize, responseDeserialize } = VerifierServiceService.generate;
  const responses = client
    .makeServerStreamRequest(path, requestSerialize, responseDeserialize, message)
    .iterator({ destroyOnReturn: false }) as AsyncIterator<GenerateResponse>;
  const first = await responses.next();
  const all = async function* (): AsyncGenerator<GenerateResponse> {
    for (let next = first; !next.done; next = await responses.next()) yield next.value;
  };
  return { rest: () => collect(all()) };
}

/** How a process ended and all that it said. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `veridraft serve`, in a process group that does not outlive the test file. */
export function launch(...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [program, "serve", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  processes.add(child);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const ended = once(child, "close").then(([code]) => {
    processes.delete(child);
    return { code: code as number | null, out, err };
  });
  return { child, ended };
}

/** A server process that has said that it is ready. */
export interface ServerProcess {
  readonly address: string;
  readonly ended: Promise<Ended>;
  /** Sends SIGTERM. */
  terminate(): void;
}

/** Starts a server and waits for its one line. */
export async function startProcess(
  name: "draft" | "verifier",
  ...args: string[]
): Promise<ServerProcess> {
  const { child, ended } = launch(name, "--port", "0", ...args);
  const spoken = once(child.stdout as NodeJS.ReadableStream, "data").then(([text]) => String(text));
  const first = await Promise.race([spoken, ended]);
  const address = new RegExp(`^veridraft ${name} server on (\\S+)\n$`).exec(String(first))?.[1];
  if (address === undefined) throw new Error(`${name} server: ${JSON.stringify(first)}`);
  return { address, ended, terminate: () => void child.kill("SIGTERM") };
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as { port: number };
  await once(server.close(), "close");
  return port;
}

/** Writes a file that is removed with the test file. */
export async function writeTemporary(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** The embedded model up to its tensors. */
export async function modelHeader(): Promise<Buffer> {
  const { tensors } = await readGguf(smolLM2.path);
  const length = Math.min(...Array.from(tensors.values(), ({ offset }) => offset));
  const handle = await open(smolLM2.path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer;
  } finally {
    await handle.close();
  }
}

/** The header of the embedded model as of a file without tensors. */
export async function metadataOnly(): Promise<Buffer> {
  const header = await modelHeader();
  header.writeBigUInt64LE(0n, "GGUF".length + 4);
  return header;
}

/** Text as GGUF holds it: the length in bytes, then the bytes. */
export function ggufText(text: string): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  return Buffer.concat([length, Buffer.from(text)]);
}
