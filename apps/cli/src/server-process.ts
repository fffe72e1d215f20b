/** Servers in processes of their own, for commands that compare. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A server that runs. */
export interface ServerProcess {
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts `veridraft serve` on a free port; resolves when it says that it is ready. */
async function startServer(kind: "draft" | "verifier", flags: string[]): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    [...process.execArgv, process.argv[1], "serve", kind, "--port", "0", ...flags],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  process.once("exit", () => child.kill());
  const exited = once(child, "exit");
  const ready = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const [line] = await Promise.race([
    ready,
    exited.then(() => Promise.reject(new Error(`the ${kind} server did not start`))),
  ]);
  return {
    address: line.slice(line.lastIndexOf(" ") + 1),
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** What a verifier server runs, and how. */
interface Target {
  readonly model: string;
  readonly weights?: string;
  readonly device?: string;
}

/** Runs a task with a draft server and a verifier server that asks it, and stops both whatever comes of it: also on SIGTERM and Ctrl-C. */
export async function withServers<T>(
  { model, weights, device = "cpu" }: Target,
  task: (draft: ServerProcess, verifier: ServerProcess) => Promise<T>,
): Promise<T> {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(1));
  const draft = await startServer("draft", ["--model", model]);
  try {
    const format = weights === undefined ? [] : ["--weights", weights];
    const session = ["--device", device, ...format];
    const target = ["--model", model, ...session, "--draft-server", draft.address];
    const verifier = await startServer("verifier", target);
    try {
      return await task(draft, verifier);
    } finally {
      await verifier.stop();
    }
  } finally {
    await draft.stop();
  }
}
