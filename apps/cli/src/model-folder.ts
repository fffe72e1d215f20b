/** Where pulled models are, as owner/repository/file, and how they are named: `owner/repository:file-or-quantization`. */
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, relative, resolve, sep } from "node:path";
import { InvalidArgumentError } from "@veridraft/core-probs";

/** A name in its parts. */
export interface ModelName {
  /** `owner/repository`. */
  readonly repository: string;
  /** A file of the repository or a quantization such as Q8_0; undefined leaves the choice. */
  readonly wanted: string | undefined;
}

/** Where models are kept unless a flag says otherwise: `veridraft/models` in the data folder of the user. */
export function modelFolder(): string {
  const data = process.env.XDG_DATA_HOME ?? join(homedir(), ".local", "share");
  return join(data, "veridraft", "models");
}

/** Reads a name; undefined for what can only be a path. */
export function parseModelName(text: string): ModelName | undefined {
  const [, repository, wanted] = /^(\w[\w.-]*\/\w[\w.-]*)(?::(.+))?$/.exec(text) ?? [];
  if (repository === undefined || (wanted === undefined && repository.endsWith(".gguf"))) {
    return undefined;
  }
  return { repository, wanted };
}

/**
 * The file of a model: a path as it stands, or what a name means in the model folder.
 *
 * @throws InvalidArgumentError for a name that nothing was pulled for, or that means several files.
 */
export function modelPath(nameOrPath: string, folder = modelFolder()): string {
  const name = parseModelName(nameOrPath);
  if (name === undefined || existsSync(nameOrPath)) return nameOrPath;
  const files = modelFiles(join(folder, name.repository));
  if (files.length === 0) {
    throw new InvalidArgumentError(
      `${nameOrPath} is no file, and no model of that name is in ${folder}; \`veridraft pull ${nameOrPath}\` fetches it`,
    );
  }
  return join(folder, name.repository, chooseFile(name, files));
}

/** The names of all models of a folder. */
export function modelNames(folder: string): string[] {
  return modelFiles(folder)
    .map((file) => file.split("/"))
    .filter((parts) => parts.length > 2)
    .map(([owner, repository, ...file]) => `${owner}/${repository}:${file.join("/")}`);
}

/** Where a file of a repository is kept. @throws InvalidArgumentError for a path that would leave the folder. */
export function pulledPath(folder: string, repository: string, file: string): string {
  const home = resolve(folder, repository);
  const path = resolve(home, file);
  if (!path.startsWith(home + sep)) {
    throw new InvalidArgumentError(`${file} is not a path inside of a repository`);
  }
  return path;
}

/**
 * The one file that a name means: the file of that name, else that quantization; without either the only file, else Q8_0.
 *
 * @throws InvalidArgumentError where that is none or several, saying what there is.
 */
export function chooseFile(
  { repository, wanted }: ModelName,
  files: readonly string[],
  describe = (file: string): string => file,
): string {
  const models = files.filter((file) => !basename(file).startsWith("mmproj"));
  const exact = files.filter((file) => file === wanted || basename(file) === wanted);
  const quantized = models.filter((file) => hasQuantization(file, wanted ?? "Q8_0"));
  const only = wanted === undefined && models.length === 1 ? models : [];
  const [found = []] = [exact, only, quantized].filter(({ length }) => length > 0);
  if (found.some((file) => splitPart.test(file))) {
    throw new InvalidArgumentError(
      `${found[0]} of ${repository} is a part of a split model; only models of one file can be used`,
    );
  }
  if (found.length === 1) return found[0];
  const asked = wanted === undefined ? "" : ` for ${wanted}`;
  const list = files.map((file) => `\n  ${describe(file)}`).join("");
  throw new InvalidArgumentError(
    `${repository} has ${found.length === 0 ? "no" : "more than one"} file${asked || " to prefer"}; name one as ${repository}:FILE. It has${list || " no GGUF file"}`,
  );
}

const splitPart = /-\d{5}-of-\d{5}\.gguf$/;

/** Whether a file name holds a quantization as a word of its own: Q4_K is not in model-Q4_K_M.gguf. */
function hasQuantization(file: string, quantization: string): boolean {
  const words = file.toLowerCase().split(/[-./]/);
  return words.includes(quantization.toLowerCase());
}

/** The GGUF files of a folder and the folders in it, with `/` on every system. */
function modelFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && entry.name.endsWith(".gguf"))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .toSorted();
}
