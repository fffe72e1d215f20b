/**
 * Keeps the tsconfig references equal to the workspace dependencies in package.json.
 *
 *   node tools/sync-references.mjs           writes
 *   node tools/sync-references.mjs --check   exits 1 where a file would change
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const check = process.argv.includes("--check");
const folders = ["packages", "apps"].flatMap((parent) =>
  readdirSync(parent).map((name) => `${parent}/${name}`),
);
const folderOf = new Map(
  folders.map((folder) => [
    JSON.parse(readFileSync(`${folder}/package.json`, "utf8")).name,
    folder,
  ]),
);
const stale = [];

function sync(file, references) {
  const config = JSON.parse(readFileSync(file, "utf8"));
  const wanted = references.map((path) => ({ path }));
  if (JSON.stringify(config.references ?? []) === JSON.stringify(wanted)) return;
  stale.push(file);
  if (wanted.length > 0) config.references = wanted;
  else delete config.references;
  if (!check) writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`);
}

for (const folder of folders) {
  const { dependencies = {} } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const references = Object.keys(dependencies)
    // An app is compiled with the app that imports it: apps emit nothing that could be referenced.
    .filter((name) => folderOf.get(name)?.startsWith("packages/"))
    .map((name) => `../../${folderOf.get(name)}`);
  sync(`${folder}/tsconfig.json`, references.toSorted());
}
const all = folders.filter((folder) => existsSync(`${folder}/tsconfig.json`)).map((f) => `./${f}`);
sync("tsconfig.json", [...all.toSorted(), "./tsconfig.test.json"]);
sync("tsconfig.test.json", all.filter((folder) => folder.startsWith("./packages/")).toSorted());

if (stale.length > 0) {
  console.log(`${check ? "stale" : "updated"}: ${stale.join(", ")}`);
  if (check) process.exitCode = 1;
}
