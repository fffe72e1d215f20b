/**
 * Installs what `npm publish` would publish into an empty folder and uses it there as users do: plain Node, the programs of the READMEs compiled
 * against the published types, the commands. Nothing of it is cached; it takes `dist` as `tsc -b` left it.
 */
import assert from "node:assert/strict";
import { execFileSync, execSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { announced, readmeBlocks, root } from "./docs/programs.mjs";

const commands = [
  ['veridraft generate "The capital of France is" --raw --max-tokens 8', /^ Paris\./],
  ["veridraft tokenize Hello --json", /^\{"ids":\[19556\],"pieces":\["Hello"\]\}\n$/],
  ["veridraft-draft-server --help", /--drafter /],
  ["veridraft-verifier-server --help", /--draft-server /],
];

const folder = mkdtempSync(join(tmpdir(), "veridraft-tarballs-"));
const options = { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
const node = (...args) => execFileSync(process.execPath, args, options);
const installed = (command) => join("node_modules", ".bin", command);
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const write = (name, value) => writeFileSync(join(folder, name), JSON.stringify(value));

try {
  const pack = `npm pack --loglevel=error --json --workspaces --pack-destination ${folder}`;
  const packed = JSON.parse(execSync(pack, { ...options, cwd: root }));
  for (const { name, files } of packed) {
    const stems = (pattern) =>
      files.flatMap(({ path }) => pattern.exec(path)?.[1] ?? []).toSorted();
    assert.deepEqual(
      stems(/^dist\/(.*)\.js$/),
      stems(/^src\/(.*)\.ts$/),
      `stale dist of ${name}, remove it`,
    );
    assert.ok(
      files.some(({ path }) => path === "LICENSE"),
      `${name} has no LICENSE`,
    );
  }

  // Third parties in the versions of our lock file: their releases do not break our tests, and npm has them in its cache.
  const locked = Object.entries(readJson(`${root}package-lock.json`).packages).filter(
    ([path, { link }]) => path.startsWith("node_modules/") && !link,
  );
  write("package.json", { private: true, type: "module" });
  write("package-lock.json", { lockfileVersion: 3, packages: Object.fromEntries(locked) });
  const tarballs = packed.map(({ filename }) => `./${filename}`).join(" ");
  execSync(`npm install --loglevel=error --prefer-offline --ignore-scripts ${tarballs}`, options);
  console.log(`installed ${packed.length} packages`);

  const entries = packed.flatMap(({ name }) =>
    Object.keys(readJson(join(folder, "node_modules", name, "package.json")).exports)
      .filter((entry) => entry !== "./package.json")
      .map((entry) => name + entry.slice(1)),
  );
  const imports = entries.map((entry) => `await import("${entry}");`);
  node("--input-type=module", "--eval", imports.join("\n"));
  console.log(`imported ${entries.length} entries`);

  for (const { file, code } of readmeBlocks) writeFileSync(join(folder, file), code);
  const typeRoots = [`${root}node_modules/@types`];
  const compilerOptions = { module: "nodenext", strict: true, types: ["node"], typeRoots };
  write("tsconfig.json", { compilerOptions, include: ["*.mts"] });
  execSync(`${installed("tsc")} -p ${folder}`, { cwd: root, stdio: "inherit" });
  for (const { name, file, code } of readmeBlocks) {
    assert.match(node(file.replace(/mts$/, "mjs")), announced(code), name);
  }
  console.log(`ran ${readmeBlocks.length} programs of READMEs`);

  for (const [command, output] of commands) {
    assert.match(execSync(installed(command), options), output, command);
    console.log(command);
  }
} finally {
  rmSync(folder, { recursive: true });
}
