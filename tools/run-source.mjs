/** Runs the sources of the app whose bin file was started, for a checkout; imported by that file. */
import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { resolve } from "node:path";

const [, bin, ...args] = process.argv;
const child = spawn(
  process.execPath,
  [
    "--conditions=@veridraft/source",
    `--import=${import.meta.resolve("tsx")}`,
    resolve(realpathSync(bin), "../../src/main.ts"),
    ...args,
  ],
  { stdio: "inherit" },
);
// A terminal sends Ctrl-C to both; a supervisor sends SIGTERM to this process only.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
