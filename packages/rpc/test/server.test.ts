import { createServer } from "node:net";
import { existsSync, linkSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { createDraftClient, createVerifierClient } from "@veridraft/rpc/client";
import { startServer } from "@veridraft/rpc/server";
import { service as health } from "grpc-health-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { collect, deferred, failure, serve, text, textOf } from "./harness.ts";

const generate = { prompt: { $case: "text" as const, value: "x" }, stop: [] };

/** A client of a service that has no kit. */
function dial(address: string): Client {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
    "grpc.use_local_subchannel_pool": 1,
  });
  onTestFinished(() => client.close());
  return client;
}

function check(client: Client, name: string): Promise<string> {
  const { path, requestSerialize, responseDeserialize } = health.Check;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service: name },
      (error, response) =>
        error ? reject(error) : resolve((response as { status: string }).status),
    );
  });
}

/** A handler that waits before its last chunk. */
function held() {
  const running = deferred();
  const release = deferred();
  async function* handler() {
    yield text("a");
    running.resolve();
    await release.promise;
    yield text("b");
  }
  return { running, release, handler };
}

describe("health", () => {
  it("is NOT_SERVING until it is told otherwise, for the server and for each service", async () => {
    const { server } = await serve();
    const client = dial(server.address);
    const names = ["", "veridraft.draft.v1.DraftService", "veridraft.verifier.v1.VerifierService"];
    for (const name of names) expect(await check(client, name)).toBe("NOT_SERVING");
    server.setServing(true);
    for (const name of names) expect(await check(client, name)).toBe("SERVING");
    server.setServing(false);
    expect(await check(client, "")).toBe("NOT_SERVING");
    expect(await failure(check(client, "other"))).toMatchObject({ code: 5 });
  });
});

describe("stop", () => {
  it("lets a running stream finish and refuses new calls", async () => {
    const { running, release, handler } = held();
    const { server, verify } = await serve({ verifier: { generate: handler } });
    const first = collect(verify.generate(generate));
    await running.promise;
    const stopping = server.stop(10_000);
    expect(await failure(collect(verify.generate(generate)))).toMatchObject({
      code: "UNAVAILABLE",
    });
    const late = createVerifierClient(server.address);
    onTestFinished(() => late.close());
    expect(await failure(late.tokenize({ text: "x" }))).toMatchObject({ code: "UNAVAILABLE" });
    release.resolve();
    await stopping;
    expect((await first).map(textOf)).toEqual(["a", "b"]);
    await server.stop(0);
  });

  it("cuts what runs longer than the grace, and says so", async () => {
    const { running, handler } = held();
    const aborted = deferred<unknown>();
    const { server, verify } = await serve({
      verifier: {
        async *generate(_request, { signal }) {
          signal.addEventListener("abort", () => aborted.resolve(signal.reason));
          yield* handler();
        },
      },
    });
    const first = failure(collect(verify.generate(generate)));
    await running.promise;
    await server.stop(20);
    expect(await first).toMatchObject({ code: "UNAVAILABLE", message: "the server was stopped" });
    expect(await aborted.promise).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("does not wait for a health watch", async () => {
    const { server } = await serve();
    server.setServing(true);
    const client = dial(server.address);
    const { path, requestSerialize, responseDeserialize } = health.Watch;
    const call = client.makeServerStreamRequest<object, { status: string }>(
      path,
      requestSerialize as never,
      responseDeserialize as never,
      { service: "" },
    );
    const seen: string[] = [];
    const open = deferred();
    const ended = deferred();
    call.on("data", ({ status }: { status: string }) => {
      seen.push(status);
      open.resolve();
    });
    call.on("error", () => undefined);
    call.on("status", () => ended.resolve());
    await open.promise;
    const started = performance.now();
    await server.stop(60_000);
    expect(performance.now() - started).toBeLessThan(2000);
    await ended.promise;
    expect(seen).toEqual(["SERVING", "NOT_SERVING"]);
  });
});

describe("reflection", () => {
  it("lists the services and their files", async () => {
    const { server } = await serve({}, { reflection: true });
    const listing = await reflect(server.address, { listServices: "" });
    const names = listing.listServicesResponse.service.map(({ name }: { name: string }) => name);
    expect(names.toSorted()).toEqual([
      "grpc.health.v1.Health",
      "veridraft.draft.v1.DraftService",
      "veridraft.verifier.v1.VerifierService",
    ]);
    for (const symbol of [...names, "google.rpc.BadRequest"]) {
      const file = await reflect(server.address, { fileContainingSymbol: symbol });
      expect(file.fileDescriptorResponse.fileDescriptorProto.length).toBeGreaterThan(0);
    }
  });

  it("is off by default", async () => {
    const { server } = await serve();
    await expect(reflect(server.address, { listServices: "" })).rejects.toMatchObject({ code: 12 });
  });
});

// oxlint-disable-next-line typescript/no-explicit-any -- loaded at run time
async function reflect(address: string, request: object): Promise<any> {
  const folder = join(import.meta.dirname, "../../../node_modules/@grpc/reflection/build/proto");
  const definition = loadSync(`${folder}/grpc/reflection/v1/reflection.proto`, { oneofs: true });
  // oxlint-disable-next-line typescript/no-explicit-any -- loaded at run time
  const { grpc } = loadPackageDefinition(definition) as any;
  const client = new grpc.reflection.v1.ServerReflection(address, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
  });
  onTestFinished(() => client.close());
  const call = client.serverReflectionInfo();
  return new Promise((resolve, reject) => {
    call.on("data", resolve);
    call.on("error", reject);
    call.write(request);
    call.end();
  });
}

describe("startServer()", () => {
  it("says which address is in use", async () => {
    const { server } = await serve();
    expect(await failure(startServer({ services: [], port: server.port }))).toEqual(
      new Error(`startServer: cannot listen on 127.0.0.1:${server.port}: it is in use`),
    );
  });

  it("does not offer plain text to other machines unless it is allowed", async () => {
    await expect(startServer({ services: [], host: "0.0.0.0" })).rejects.toThrow(
      "startServer: 0.0.0.0 can be reached from other machines and calls are not encrypted; bind a loopback address or a unix socket, or allow it with insecure",
    );
    const server = await startServer({ services: [], host: "0.0.0.0", insecure: true });
    expect(server.port).toBeGreaterThan(0);
    await server.stop(0);
  });

  it("listens on a unix socket, also over one that a killed server left", async () => {
    const folder = mkdtempSync(join(tmpdir(), "veridraft-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "draft.sock");
    // A socket file with no listener: Node removes its own on close, so keep it by a second name.
    const stale = createServer();
    await new Promise<void>((resolve) => stale.listen(`${path}.old`, resolve));
    linkSync(`${path}.old`, path);
    await new Promise((resolve) => stale.close(resolve));
    expect(existsSync(path)).toBe(true);

    const { server, draft } = await serve({}, { host: `unix:${path}` });
    expect(server).toMatchObject({ port: 0, address: `unix:${path}` });
    expect(await draft.getModelInfo({})).toMatchObject({ drafters: ["suffix"] });
    await expect(startServer({ services: [], host: `unix:${path}` })).rejects.toThrow(
      `startServer: cannot listen on unix:${path}: it is in use`,
    );
  });
});

describe("clients", () => {
  it("wait for a server that is on its way, in unary calls only", async () => {
    const { server } = await serve();
    const { port } = server;
    await server.stop(0);
    const client = createDraftClient(`127.0.0.1:${port}`);
    onTestFinished(() => client.close());
    const call = client.draft();
    expect(await failure(collect(call.responses))).toMatchObject({ code: "UNAVAILABLE" });
    const waiting = client.getModelInfo({});
    await serve({}, { port });
    expect(await waiting).toMatchObject({ drafters: ["suffix"] });
  });

  it("survive a stream that fails before anyone reads it", async () => {
    const { server, draft } = await serve();
    await server.stop(0);
    const call = draft.draft();
    await expect(call.send({ request: undefined })).resolves.toBeUndefined();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await failure(collect(call.responses))).toMatchObject({ code: "UNAVAILABLE" });
  });
});
