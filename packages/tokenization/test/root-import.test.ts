import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** What the module and those that it imports import from other packages, types aside. */
function packagesOf(module: URL, seen = new Set<string>()): Set<string> {
  const found = new Set<string>();
  if (seen.has(module.href)) return found;
  seen.add(module.href);
  const source = readFileSync(module, "utf8");
  for (const [, , name] of source.matchAll(/^(import|export)(?! type)[^;"]*?from "([^"]+)"/gm)) {
    if (!name.startsWith(".")) found.add(name);
    else for (const each of packagesOf(new URL(name, module), seen)) found.add(each);
  }
  return found;
}

test("the root loads nothing but errors: no mathematics, no autodiff, no schema library; the models' sub-paths do", () => {
  const root = packagesOf(new URL("../src/index.ts", import.meta.url));
  expect([...root]).toEqual(["@veridraft/core-probs/errors"]);
  for (const model of ["setrec", "word-pooled"]) {
    const loaded = packagesOf(new URL(`../src/${model}/index.ts`, import.meta.url));
    expect(loaded).toContain("@veridraft/autodiff");
  }
});
