/**
 * `npm run experiments [-- part of a path]`: runs the programs that take longer than a test may, from the sources, one after another, and compares what
 * they print with their comments, as the tests of the documentation do for examples. One that ends with 77 has said what it lacks here, and is skipped.
 */
import { spawn } from "node:child_process";
import { announced, experiments, root } from "./docs/programs.mjs";

/** As the test drivers of automake and Meson have it. */
const skipped = 77;

const [, , filter = ""] = process.argv;
const chosen = experiments.filter(({ name }) => name.includes(filter));
if (chosen.length === 0) throw new Error(`experiments: no path has "${filter}" in it`);

/** Resolves to what a program prints, which is shown as it comes. */
function run(path) {
  const args = ["--conditions=@veridraft/source", "--import=tsx", path];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
    process.stdout.write(text);
  });
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, output })));
}

for (const { name, path, code } of chosen) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  const { status, output } = await run(path);
  const asAnnounced = status === 0 && announced(code).test(output);
  const verdict = asAnnounced ? "as announced" : "NOT as announced";
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`== ${status === skipped ? "skipped" : verdict}, ${seconds} s`);
  if (!asAnnounced && status !== skipped) process.exitCode = 1;
}
