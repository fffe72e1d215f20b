/** The programs of the documentation: every block of TypeScript in a README, and every file in a folder `examples` or `experiments`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

/** Folders of packages and apps, from the root. */
export const workspaces = ["packages", "apps"].flatMap((parent) =>
  readdirSync(root + parent).map((name) => `${parent}/${name}`),
);

const read = (path) => readFileSync(root + path, "utf8");

/** The blocks of the READMEs; their files are modules that stand anywhere. */
export const readmeBlocks = ["README.md", ...workspaces.map((folder) => `${folder}/README.md`)]
  .filter((path) => existsSync(root + path))
  .flatMap((path) =>
    [...read(path).matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code], i) => ({
      name: `${path} ${i + 1}`,
      file: `${path.replaceAll("/", "-")}-${i + 1}.mts`,
      code,
    })),
  );

/** The programs in the folders of a name. */
const programsIn = (name) =>
  workspaces
    .map((folder) => `${folder}/${name}`)
    .filter((folder) => existsSync(root + folder))
    .flatMap((folder) => readdirSync(root + folder).map((file) => `${folder}/${file}`))
    .map((path) => ({ name: path, path: root + path, code: read(path) }));

/** They run in seconds. */
export const examples = programsIn("examples");
/** They take longer. */
export const experiments = programsIn("experiments");

/**
 * The output that a program announces, as a pattern: each comment `// -> text` is one line, `...` in it stands for anything. Without such comments
 * it must print something.
 */
export function announced(code) {
  const lines = [...code.matchAll(/^ *\/\/ -> ?(.*)$/gm)].map(([, line]) =>
    line.replaceAll(/[\\^$*+?.()[\]{}|]/g, String.raw`\$&`).replaceAll(String.raw`\.\.\.`, ".*"),
  );
  return lines.length > 0 ? new RegExp(`^${lines.join("\n")}\n*$`) : /\S/;
}
