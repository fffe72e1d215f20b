import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");
const committed = join(root, "packages/rpc/src/gen");

function run(command: string, args: string[]): void {
  const PATH = `${join(root, "node_modules/.bin")}${delimiter}${process.env.PATH}`;
  execFileSync(command, args, { cwd: join(root, "proto"), env: { ...process.env, PATH } });
}

function files(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  return Object.fromEntries(
    names.toSorted().map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
}

it("the contract is formatted and passes buf lint", () => {
  expect(() => run("buf", ["lint"])).not.toThrow();
  const format = ["format", "--diff", "--exit-code", "--path", "veridraft"];
  expect(() => run("buf", format)).not.toThrow();
});

it("the generated code is that of the contract", () => {
  const temporary = mkdtempSync(join(tmpdir(), "veridraft-gen-"));
  try {
    // The template writes to ../packages/rpc/src/gen, seen from here.
    run("buf", ["generate", "--output", join(temporary, "proto")]);
    const folder = join(temporary, "packages/rpc/src/gen");
    run(process.execPath, [join(root, "tools/write-image.mjs"), join(folder, "image.ts")]);
    expect(files(folder)).toEqual(files(committed));
  } finally {
    rmSync(temporary, { recursive: true });
  }
});
