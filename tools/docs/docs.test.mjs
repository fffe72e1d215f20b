/** Runs what the documentation shows, from the sources, each program in a process of its own. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { announced, examples, readmeBlocks, root, workspaces } from "./programs.mjs";

const folder = `${root}node_modules/.cache/docs/`;
mkdirSync(folder, { recursive: true });

async function run(path) {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@veridraft/source", "--import=tsx", path],
    { cwd: root, timeout: 60_000 },
  );
  return stdout;
}

describe("programs", { timeout: 60_000 }, () => {
  for (const { name, path, code } of examples) {
    it(`runs ${name}`, async () => {
      expect(await run(path)).toMatch(announced(code));
    });
  }
  for (const { name, file, code } of readmeBlocks) {
    it(`runs ${name}`, async () => {
      writeFileSync(folder + file, code);
      expect(await run(folder + file)).toMatch(announced(code));
    });
  }
});

describe("READMEs", () => {
  for (const workspace of workspaces) {
    const { name } = JSON.parse(readFileSync(`${root}${workspace}/package.json`, "utf8"));
    const readme = readFileSync(`${root}${workspace}/README.md`, "utf8");

    it(`${workspace} has one`, () => {
      expect(readme.startsWith(`# ${name}\n`)).toBe(true);
    });

    for (const [, schema, table] of readme.matchAll(
      /<!-- settings: (\w+) -->\n([^]*)<!-- \/settings -->/g,
    )) {
      it(`${workspace} lists ${schema}`, async () => {
        const { [schema]: config } = await import(/* @vite-ignore */ name);
        const squeezed = table.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---").trim();
        expect(squeezed).toBe(settingsTable(config));
      });
    }
  }
});

function settingsTable(config) {
  const rows = Object.entries(config.toJSONSchema({ io: "input" }).properties).map(
    ([setting, { default: value, description }]) => {
      const shown = String(value).endsWith(".gguf") ? "the embedded model" : `\`${value}\``;
      return `| \`${setting}\` | ${value === undefined ? "" : shown} | ${description} |`;
    },
  );
  const table = ["| setting | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");
  return table.replaceAll(/ +/g, " ");
}
