/** As much of the hub's API as `@huggingface/hub` uses to list and download the files of a model, on a free port of this machine. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubServer {
  readonly url: string;
  /** Files by repository and path; may be changed. */
  readonly repositories: Record<string, Record<string, Buffer>>;
  /** What was asked of it: method, path, range, whether with a token. */
  readonly requests: string[];
  /** Closes the connection of the next download after this many bytes. */
  cutAfter: number | undefined;
  /** A SHA-256 that the list of files gives in place of the true one. */
  wrongSha256: string | undefined;
  close(): Promise<void>;
}

export async function startHubServer(): Promise<HubServer> {
  const http = createServer((request, response) => answer(hub, request, response));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const hub: HubServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    repositories: {},
    requests: [],
    cutAfter: undefined,
    wrongSha256: undefined,
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
  return hub;
}

function answer(hub: HubServer, request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url as string, hub.url);
  const { range, authorization } = request.headers;
  hub.requests.push([request.method, pathname, range, authorization].filter(Boolean).join(" "));
  const tree = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/main$/.exec(pathname);
  if (tree) {
    const files = hub.repositories[tree[1]];
    if (files === undefined) return refuse(response, "RepoNotFound", "Repository not found");
    return sendJson(response, 200, Object.entries(files).map(entryOf(hub)));
  }
  const resolved = /^\/([^/]+\/[^/]+)\/resolve\/main\/(.+)$/.exec(pathname);
  const bytes = resolved && hub.repositories[resolved[1]]?.[resolved[2]];
  if (!bytes) return refuse(response, "EntryNotFound", "Entry not found");
  sendBytes(hub, bytes, range, response);
}

const entryOf =
  (hub: HubServer) =>
  ([path, bytes]: [string, Buffer]): object => ({
    type: "file",
    path,
    size: bytes.length,
    oid: "0".repeat(40),
    ...(path.endsWith(".gguf") && {
      lfs: { oid: hub.wrongSha256 ?? sha256(bytes), size: bytes.length, pointerSize: 134 },
    }),
  });

function sendBytes(
  hub: HubServer,
  all: Buffer,
  range: string | undefined,
  to: ServerResponse,
): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
  const bytes = first === undefined ? all : all.subarray(Number(first), Number(last) + 1);
  to.writeHead(first === undefined ? 200 : 206, {
    "Content-Length": bytes.length,
    "Content-Type": "application/octet-stream",
    ETag: `"${sha256(all)}"`,
    ...(first !== undefined && { "Content-Range": `bytes ${first}-${last}/${all.length}` }),
  });
  const { cutAfter } = hub;
  if (cutAfter === undefined || bytes.length <= cutAfter) {
    to.end(bytes);
    return;
  }
  hub.cutAfter = undefined;
  to.write(bytes.subarray(0, cutAfter), () => setTimeout(() => to.destroy(), 50));
}

function refuse(response: ServerResponse, code: string, error: string): void {
  response.setHeader("X-Error-Code", code);
  sendJson(response, 404, { error });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
