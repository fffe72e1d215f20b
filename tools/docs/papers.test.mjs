/** PAPERS.md and the tree say the same: files, commands, and no method without a row. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { experiments, root, workspaces } from "./programs.mjs";

const read = (path) => readFileSync(root + path, "utf8");
const list = (folder) =>
  existsSync(root + folder) ? readdirSync(root + folder, { recursive: true }) : [];
const { scripts } = JSON.parse(read("package.json"));

const rows = read("PAPERS.md")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .slice(2)
  .map((line) => line.split(" | ").map((cell) => cell.replaceAll(/`/g, "").trim()))
  .map(([, , file, , command]) => ({ file, command }));

/** What a command runs: a script of ours, experiments, a bench of the CLI, or files of tests or benchmarks. */
function targetsOf(command) {
  const [, script] = /^npm (?:run )?(\w+)$/.exec(command) ?? [];
  if (script) return Object.keys(scripts).filter((name) => name === script);
  const [, word] = /^npm run experiments -- ([\w-]+)$/.exec(command) ?? [];
  if (word) return experiments.filter(({ name }) => name.includes(word));
  const [, bench] = /^npx veridraft bench ([a-z]+)/.exec(command) ?? [];
  if (bench) return list("apps/cli/src").filter((path) => path === `bench-${bench}.ts`);
  const bare = command.replaceAll(/ --run| --project [\w-]+/g, "");
  const [, mode, filter = ""] = /^npx vitest (run|bench)(?: ([\w-]+))?$/.exec(bare) ?? [];
  const kind = mode === "run" ? "test" : "bench";
  return [...command.matchAll(/--project ([\w-]+)/g)]
    .map(([, project]) => workspaces.find((folder) => basename(folder) === project))
    .flatMap((folder) => list(`${folder}/${kind}`))
    .filter((path) => path.endsWith(`.${kind}.ts`) && path.includes(filter));
}

describe("PAPERS.md", () => {
  for (const { file, command } of rows) {
    it(`names ${file} and a command that runs`, () => {
      expect(existsSync(root + file)).toBe(true);
      expect(targetsOf(command)).not.toEqual([]);
    });
  }

  it("lists every source that says how it departs from its paper", () => {
    const listed = new Set(rows.map(({ file }) => file));
    const unlisted = workspaces
      .flatMap((folder) => list(`${folder}/src`).map((path) => `${folder}/src/${path}`))
      .filter((path) => path.endsWith(".ts") && read(path).includes("Departures:"))
      .filter((path) => !listed.has(path));
    expect(unlisted).toEqual([]);
  });

  it("lists methods of spec-decoding with a test and an example of the same name", () => {
    const folder = "packages/spec-decoding";
    const slugs = rows
      .filter(({ file }) => file.startsWith(folder))
      .map(({ file }) => basename(file, ".ts"));
    expect(list(`${folder}/test`)).toEqual(
      expect.arrayContaining(slugs.map((slug) => `${slug}.test.ts`)),
    );
    expect(list(`${folder}/examples`)).toEqual(
      expect.arrayContaining(slugs.map((slug) => `${slug}.ts`)),
    );
  });
});
