#!/usr/bin/env node
/** Starts the program: the bundle of a published package, or in a checkout the sources, which need no build. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = new URL("../src/main.ts", import.meta.url);
if (existsSync(source)) {
  const child = spawn(
    process.execPath,
    [
      "--conditions=@veridraft/source",
      `--import=${import.meta.resolve("tsx")}`,
      fileURLToPath(source),
      ...process.argv.slice(2),
    ],
    { stdio: "inherit" },
  );
  // A terminal sends Ctrl-C to both; a supervisor sends SIGTERM to this process only.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
} else {
  await import(new URL("../dist/main.js", import.meta.url).href);
}
