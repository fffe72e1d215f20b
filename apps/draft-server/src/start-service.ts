/** Serves one of our services over the network, as its settings say. */
import { type CallLog, type Service, startServer } from "@veridraft/rpc/server";
import { z } from "zod";
import { statusOf } from "./status.ts";

/** The settings of any of our servers. @param port, maxSessions, graceMs Defaults. */
export const networkSettings = (port: number, maxSessions: number, graceMs: number) => ({
  host: z.string().min(1).default("127.0.0.1").describe("Address, or unix:/path/of/socket."),
  port: z.int().min(0).max(65_535).default(port).describe("0 takes any free port."),
  insecure: z
    .boolean()
    .default(false)
    .describe("Allow plain text on an address that other machines can reach."),
  maxSessions: z
    .int()
    .min(1)
    .max(65_536)
    .default(maxSessions)
    .describe("Calls that run at once; more are refused."),
  reflection: z.boolean().default(false).describe("Describe the contract to tools."),
  graceMs: z
    .int()
    .min(0)
    .default(graceMs)
    .describe("How long running generations may go on when the server is stopped."),
});

type NetworkConfig = z.output<z.ZodObject<ReturnType<typeof networkSettings>>>;

/** What a server tells its operator. */
export interface ServeOptions {
  /** Told about every call. */
  readonly log?: (call: CallLog) => void;
  /** Told once for each outage of a peer, or of one of several drafters. */
  readonly warn?: (message: string) => void;
}

/** A service that runs. */
export interface RunningService {
  readonly port: number;
  /** What a client dials. */
  readonly address: string;
  /** Lets running generations end within the grace of the settings, then frees what the service holds. */
  stop(): Promise<void>;
}

/**
 * Starts a service; resolves when it serves.
 *
 * @param dispose Frees what the service holds: when it has stopped, or cannot start.
 * @throws Error where the address is taken or not allowed.
 */
export async function startService(
  service: Service,
  config: NetworkConfig,
  dispose: () => Promise<void>,
  log: (call: CallLog) => void = () => {},
): Promise<RunningService> {
  const { host, port, insecure, reflection, maxSessions, graceMs } = config;
  try {
    const server = await startServer({
      services: [service],
      host,
      port,
      insecure,
      reflection,
      maxCalls: maxSessions,
      toStatus: statusOf,
      log,
    });
    server.setServing(true);
    let stopped: Promise<void> | undefined;
    return {
      port: server.port,
      address: server.address,
      stop: () => (stopped ??= server.stop(graceMs).then(dispose)),
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
