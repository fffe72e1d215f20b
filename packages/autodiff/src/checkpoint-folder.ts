/**
 * Checkpoints of a training: a folder `step-<n>` with `params.safetensors`, `optimizer.safetensors` and `state.json`. It is written under another
 * name, flushed and renamed, and only then its predecessor goes: whatever happens on the way, one whole checkpoint is there.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { InvalidArgumentError, ModelFileError } from "@veridraft/core-probs";
import { leavesOf, type Params } from "./leaves.ts";
import type { State } from "./optimizers/optimizer.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "./safetensors.ts";
import type { HostTensor } from "./runner.ts";
import { mapTree, type Tree } from "./tree.ts";

/** What is needed to go on exactly. */
export interface Checkpoint {
  /** Updates done. */
  readonly step: number;
  readonly params: Params;
  /** The optimizer's. */
  readonly state: State;
}

const partial = "partial-";
/** Ends the name of a checkpoint while another one of its step takes its place. */
const replaced = "-replaced";

/**
 * Saves a checkpoint and removes the older ones of the folder, which is made where it is missing.
 *
 * @throws ModelFileError where it cannot be written (a full disk, say): the checkpoint before is still there.
 */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  const { step, params, state } = checkpoint;
  const work = join(folder, `${partial}step-${step}`);
  try {
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    const numbers: Record<string, number> = {};
    const arrays: Record<string, HostTensor> = {};
    for (const [path, leaf] of leavesOf(state)) {
      if (typeof leaf === "number") numbers[path] = leaf;
      else arrays[path] = leaf;
    }
    await writeSafetensors(join(work, "params.safetensors"), Object.fromEntries(leavesOf(params)));
    await writeSafetensors(join(work, "optimizer.safetensors"), arrays);
    await writeFlushed(join(work, "state.json"), JSON.stringify({ step, optimizer: numbers }));
    await flushFolder(work);
    await replaceFolder(work, join(folder, `step-${step}`));
    await flushFolder(folder);
  } catch (cause) {
    await rm(work, { recursive: true, force: true }).catch(() => {});
    throw new ModelFileError(
      `saveCheckpoint: step ${step} cannot be written to ${folder} (${(cause as Error).message}); the checkpoint before it, if any, is untouched: make room and go on from it`,
      { cause },
    );
  }
  for (const name of await readdir(folder)) {
    const isOlder = stepOf(name) !== null && name !== `step-${step}`;
    if (isOlder || name.startsWith(partial)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

/**
 * Reads the newest checkpoint of a folder; null where there is none.
 *
 * @param like Parameters and state with the names and shapes that are expected; their values are not used.
 * @throws InvalidArgumentError where the checkpoint is of another model or optimizer; ModelFileError where it is damaged or cannot be read.
 */
export async function loadCheckpoint(
  folder: string,
  like: Pick<Checkpoint, "params" | "state">,
): Promise<Checkpoint | null> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw new ModelFileError(
      `loadCheckpoint: ${folder} cannot be read (${error.message}); give a folder, or one that is still to be made`,
      { cause: error },
    );
  });
  const step = Math.max(...names.map((name) => stepOf(name) ?? -1));
  if (step < 0) return null;
  const name = `step-${step}`;
  const path = join(folder, names.includes(name) ? name : `${name}${replaced}`);
  const params = (await readSafetensors(join(path, "params.safetensors"))).tensors;
  const { tensors } = await readSafetensors(join(path, "optimizer.safetensors"));
  const numbers = await readNumbers(join(path, "state.json"));
  return {
    step,
    params: fill(like.params, params, "the parameter", path) as Params,
    state: fill(like.state, { ...numbers, ...tensors }, "the optimizer's", path),
  };
}

/** Puts saved leaves in the places of a tree. */
function fill<T extends HostTensor | number>(
  like: Tree<T>,
  saved: Readonly<Record<string, StoredTensor | number>>,
  what: string,
  path: string,
): Tree<T> {
  const differ = (name: string, there: string, here: string): InvalidArgumentError =>
    new InvalidArgumentError(
      `loadCheckpoint: ${path} is of another model: ${what} ${name} is ${there} there and ${here} here; take the model that it was made with, or another folder`,
    );
  const wanted = leavesOf(like);
  for (const [name, leaf] of Object.entries(saved)) {
    if (!wanted.has(name)) throw differ(name, describe(leaf), "missing");
  }
  return mapTree((leaf: T, name: string): T => {
    const found = Object.hasOwn(saved, name) ? describe(saved[name]) : "missing";
    if (found !== describe(leaf)) throw differ(name, found, describe(leaf));
    return saved[name] as T;
  }, like) as Tree<T>;
}

function describe(leaf: StoredTensor | number): string {
  if (typeof leaf === "number") return "a number";
  return `${leaf.data.constructor.name}[${leaf.shape.join(", ")}]`;
}

async function readNumbers(path: string): Promise<Record<string, number>> {
  try {
    return JSON.parse(await readFile(path, "utf8")).optimizer;
  } catch (cause) {
    throw new ModelFileError(
      `loadCheckpoint: ${path} is damaged: ${(cause as Error).message}; remove its folder to start anew`,
      { cause },
    );
  }
}

function stepOf(name: string): number | null {
  const digits = /^step-(\d+)(-replaced)?$/.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Moves a folder to a place that may be taken, so that the place or its `-replaced` is whole all the time. */
async function replaceFolder(from: string, to: string): Promise<void> {
  if (await stat(to).catch(() => null)) {
    await rm(to + replaced, { recursive: true, force: true });
    await rename(to, to + replaced);
  }
  await rename(from, to);
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a folder durable; Windows cannot open folders, and does so by itself. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
