/**
 * Keeps the tsconfig references equal to the workspace dependencies in package.json.
 *
 *   node tools/sync-references.mjs           writes
 *   node tools/sync-references.mjs --check   exits 1 where a file would change
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

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
    .filter((name) => folderOf.has(name))
    .map((name) => `../../${folderOf.get(name)}`);
  sync(`${folder}/tsconfig.json`, references.toSorted());
}
const all = folders.map((folder) => `./${folder}`).toSorted();
sync("tsconfig.json", [...all, "./tsconfig.test.json"]);
sync("tsconfig.test.json", all);

if (stale.length > 0) {
  console.log(`${check ? "stale" : "updated"}: ${stale.join(", ")}`);
  if (check) process.exitCode = 1;
}
