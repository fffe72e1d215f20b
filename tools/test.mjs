/**
 * `npm test`: everything that must hold before a change lands, cheapest first; the tests come last, so that their count is the last line.
 */
import { spawnSync } from "node:child_process";

const steps = [
  ["format", "oxfmt --check"],
  ["lint", "oxlint --deny-warnings"],
  ["references", "node tools/sync-references.mjs --check"],
  ["types", "tsc -b"],
  ["packages", "nx run-many -t build check-package --outputStyle=static"],
  ["tarballs", "node tools/smoke-tarballs.mjs"],
  ["tests", "vitest run --reporter=default --reporter=./tools/vitest/plain-reporter.mjs"],
];

for (const [name, command] of steps) {
  console.log(`\n== ${name}: ${command}`);
  const { status } = spawnSync(command, {
    shell: true,
    stdio: "inherit",
    env: { ...process.env, NX_DAEMON: "false" },
  });
  if (status !== 0) {
    console.error(`${name} failed`);
    process.exit(status ?? 1);
  }
}
