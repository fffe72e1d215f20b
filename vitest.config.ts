import { readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";

const conditions = ["@veridraft/source"];

/** Their modules keep no state that one test file could leave to the next, so that a worker reads them once. */
const stateless = new Set(["autodiff", "core-probs", "spec-decoding", "tokenization"]);

/** One project per folder; a plain path would break when vitest is started inside a package. */
const projects = (["packages", "apps"] as const).flatMap((parent) =>
  readdirSync(new URL(`${parent}/`, import.meta.url)).map((name) => ({
    extends: true as const,
    test: {
      name,
      include: [`${parent}/${name}/test/**/*.test.ts`],
      isolate: !stateless.has(name),
      benchmark: { include: [`${parent}/${name}/bench/**/*.bench.ts`] },
    },
  })),
);

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    projects: [
      ...projects,
      { extends: true, test: { name: "docs", include: ["tools/docs/*.test.mjs"] } },
    ],
    testTimeout: 30_000,
    // Also on two CPUs, where one worker is the default: most files keep only one of them busy.
    maxWorkers: "100%",
    // Worker threads and child processes that tests start read the TypeScript sources, too.
    execArgv: ["--conditions=@veridraft/source", "--import=tsx"],
  },
});
