import { HubApiError, listFiles } from "@huggingface/hub";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { z } from "zod";
import { download, type DownloadOptions, type Hub, type HubFile } from "./download.ts";
import { formatBytes } from "./format-bytes.ts";
import { chooseFile, modelFolder, parseModelName, pulledPath } from "./model-folder.ts";
import { progressLine } from "./progress.ts";

export const folderOption = z.string().min(1).default(modelFolder()).describe("Folder of models.");

export const pullOptions = z.strictObject({
  revision: z.string().min(1).optional().describe("Branch, tag or commit of the repository."),
  hub: z.url().optional().describe("URL of the hub."),
  folder: folderOption,
});

/** `veridraft pull`: prints the path of the model. Ctrl-C leaves what has come for the next time. */
export async function pull(name: string, flags: z.output<typeof pullOptions>): Promise<void> {
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  const { revision, hub: hubUrl, folder } = flags;
  const path = await pullModel(name, folder, {
    hubUrl: hubUrl?.replace(/\/$/, ""),
    revision,
    accessToken: process.env.HF_TOKEN,
    signal: abort.signal,
    onFile({ path: file, bytes }) {
      process.stderr.write(`${file}, ${formatBytes(bytes)}\n`);
      return progressLine(bytes);
    },
  });
  process.stdout.write(`${path}\n`);
}

/** How to pull. */
export interface PullOptions extends Omit<DownloadOptions, "onProgress"> {
  /** Is told which file was chosen; what it returns is told of the bytes that are there. */
  readonly onFile?: (file: HubFile) => (bytes: number) => void;
}

/**
 * Fetches a model of the hub into a folder; returns its path.
 *
 * @throws InvalidArgumentError for what is no name, and for one that does not choose a file; Error for anything else that goes wrong.
 */
export async function pullModel(
  text: string,
  folder: string,
  { onFile, ...options }: PullOptions = {},
): Promise<string> {
  const name = parseModelName(text);
  if (name === undefined) {
    throw new InvalidArgumentError(
      `${text} is not a name like owner/repository:file-or-quantization`,
    );
  }
  const { hubUrl, revision, accessToken } = options;
  const files = await ggufFiles(name.repository, { hubUrl, revision, accessToken });
  const chosen = chooseFile(
    name,
    [...files.keys()],
    (path) => `${path}  ${formatBytes((files.get(path) as HubFile).bytes)}`,
  );
  const file = files.get(chosen) as HubFile;
  const target = pulledPath(folder, file.repository, file.path);
  await download(file, target, { ...options, onProgress: onFile?.(file) });
  return target;
}

/** The GGUF files of a repository by their paths. A model is in LFS, which names it by its SHA-256. */
async function ggufFiles(repository: string, hub: Hub): Promise<Map<string, HubFile>> {
  const files = new Map<string, HubFile>();
  try {
    for await (const { path, lfs } of listFiles({ ...hub, repo: repository, recursive: true })) {
      if (!path.endsWith(".gguf") || lfs === undefined) continue;
      files.set(path, { repository, path, bytes: lfs.size, sha256: lfs.oid });
    }
  } catch (cause) {
    if (!(cause instanceof HubApiError)) throw cause;
    throw new Error(
      `the hub does not show ${repository}: ${cause.message}. Private and gated repositories need a token in HF_TOKEN`,
      { cause },
    );
  }
  return files;
}
