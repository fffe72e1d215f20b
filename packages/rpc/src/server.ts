/** Starts and stops a gRPC server with health, reflection and limits. */
import { chmodSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type ListenOptions } from "node:net";
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { Adapters, defaultMaxCalls, type HandlerOptions } from "./handlers.ts";
import { defaultMaxMessageBytes, flowControlWindow } from "./limits.ts";
import { addReflection } from "./reflection.ts";
import type { Service } from "./service.ts";

export type {
  BidiHandler,
  CallContext,
  CallLog,
  HandlerOptions,
  ServerStreamHandler,
  UnaryHandler,
} from "./handlers.ts";
export {
  type Definition,
  type Handler,
  type Implementation,
  service,
  type Service,
} from "./service.ts";

/** What to serve, where, and within which limits. */
export interface ServerOptions extends HandlerOptions {
  readonly services: readonly Service[];
  /** A host name, an address, or `unix:/path/of/socket`. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port. Default 0; without meaning for a unix socket. */
  readonly port?: number;
  /** Allows plain text on an address that other machines can reach. Default false. */
  readonly insecure?: boolean;
  /** Whether the server describes its contract to tools. Default false. */
  readonly reflection?: boolean;
  /** Most bytes of a message, both ways. Default 16 MiB. */
  readonly maxMessageBytes?: number;
}

/** A server that runs. Its health is NOT_SERVING until it is told otherwise. */
export interface RunningServer {
  /** The port it listens on; 0 for a unix socket. */
  readonly port: number;
  /** What a client dials. */
  readonly address: string;
  /** Sets the health of the server and of each of its services. */
  setServing(serving: boolean): void;
  /**
   * Health becomes NOT_SERVING and new calls are refused with UNAVAILABLE; resolves when the calls that run have ended, or after `graceMs`, when
   * they are cut.
   */
  stop(graceMs: number): Promise<void>;
}

/** How long the last answers may take on their way once no call runs any more. */
const flushMs = 1000;

/**
 * Starts a server.
 *
 * @throws Error for a port that is taken or not allowed, and for an address that other machines can reach without `insecure`.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const {
    services,
    host = "127.0.0.1",
    port = 0,
    insecure = false,
    reflection = false,
    maxMessageBytes = defaultMaxMessageBytes,
    maxCalls = defaultMaxCalls,
  } = options;
  const socket = host.startsWith("unix:") ? host.slice("unix:".length) : undefined;
  if (socket === undefined && !isLoopback(host) && !insecure) {
    throw new Error(
      `startServer: ${host} can be reached from other machines and calls are not encrypted; bind a loopback address or a unix socket, or allow it with insecure`,
    );
  }
  const server = new Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.max_concurrent_streams": 2 * maxCalls,
    "grpc-node.flow_control_window": flowControlWindow,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.max_connection_age_ms": 30 * 60_000,
    "grpc.max_connection_age_grace_ms": 10 * 60_000,
  });
  const adapters = new Adapters(options);
  for (const each of services) {
    server.addService(each.definition, each.bind(adapters));
  }
  const endless = new EndlessStreams(server);
  const health = new HealthImplementation();
  const setServing = (serving: boolean): void => {
    for (const name of ["", ...services.map((each) => each.name)]) {
      health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    }
  };
  setServing(false);
  health.addToServer(endless);
  if (reflection) await addReflection(endless, services);

  if (socket !== undefined) await removeStaleSocket(socket);
  const hostPort = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const where = socket === undefined ? hostPort : `unix:${socket}`;
  await tryListen(socket === undefined ? { host, port } : { path: socket }).catch(
    (error: Error) => {
      throw new Error(`startServer: cannot listen on ${where}: ${reasonOf(error)}`);
    },
  );
  const bound = await bind(server, where);
  if (socket !== undefined) chmodSync(socket, 0o660);

  let stopped: Promise<void> | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    setServing(false);
    const idle = adapters.drain();
    const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    endless.end();
    await settledWithin(graceMs, idle);
    adapters.abort();
    await settledWithin(Math.min(flushMs, graceMs), closed);
    server.forceShutdown();
  };
  return {
    port: socket === undefined ? bound : 0,
    address: socket === undefined ? hostPort.replace(/\d+$/, `${bound}`) : where,
    setServing,
    stop: (graceMs) => (stopped ??= stop(graceMs)),
  };
}

/** Registers services whose streams have no end of their own (Health.Watch, reflection), so that a stopping server can end them. */
class EndlessStreams {
  readonly #server: Server;
  readonly #open = new Set<{ end(): void }>();

  constructor(server: Server) {
    this.#server = server;
  }

  addService(definition: object, implementation: object): void {
    const methods = Object.entries(implementation).map(([name, handle]) => [
      name,
      (call: { end?: () => void; on(event: string, f: () => void): void }, ...rest: unknown[]) => {
        if (call.end) {
          const stream = call as { end(): void };
          this.#open.add(stream);
          call.on("cancelled", () => this.#open.delete(stream));
        }
        return (handle as (...args: unknown[]) => unknown)(call, ...rest);
      },
    ]);
    this.#server.addService(
      definition as ServiceDefinition,
      Object.fromEntries(methods) as UntypedServiceImplementation,
    );
  }

  end(): void {
    for (const stream of this.#open) stream.end();
  }
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

/** Listens and closes again: grpc-js does not say why it cannot. */
function tryListen(options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(options, () => probe.close(() => resolve()));
  });
}

function reasonOf({ code = "", message }: NodeJS.ErrnoException): string {
  const reasons: Record<string, string> = {
    EADDRINUSE: "it is in use",
    EACCES: "permission denied",
    EADDRNOTAVAIL: "this machine has no such address",
    ENOTFOUND: "the host name is unknown",
  };
  return reasons[code] ?? message;
}

/** A socket file that nobody listens on, as a killed server leaves it, is removed. */
async function removeStaleSocket(path: string): Promise<void> {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => resolve(true));
    probe.once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });
  if (!alive) rmSync(path);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Resolves when `work` has, or after `ms`. */
async function settledWithin(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
