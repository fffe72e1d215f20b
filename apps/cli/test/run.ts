import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The program. */
export const bin = fileURLToPath(new URL("../bin/veridraft.mjs", import.meta.url));

/** Runs the program while this process goes on, which may be the server that it asks. */
export function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  timeout = 60_000,
): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout };
    execFile(process.execPath, [bin, ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

/** Runs the program and waits for it. */
export function runSync(...args: string[]): { code: number | null; out: string; err: string } {
  return pipeSync("", ...args);
}

/** Runs the program with a text on its stdin and waits for it. */
export function pipeSync(input: string, ...args: string[]): ReturnType<typeof runSync> {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    input,
    encoding: "utf8",
    timeout: 60_000,
  });
  return { code: status, out: stdout, err: stderr };
}
