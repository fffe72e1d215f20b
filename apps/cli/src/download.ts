/**
 * Downloads a file of the hub: into FILE.part, going on where an earlier download ended; then the SHA-256, then the name FILE.
 *
 * Plain range requests, not the chunks of xet, so that what is there already counts.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { downloadFile } from "@huggingface/hub";
import { formatBytes } from "./format-bytes.ts";

/** Where to ask. */
export interface Hub {
  /** Default: the library's. */
  readonly hubUrl?: string;
  readonly revision?: string;
  readonly accessToken?: string;
}

/** A file of a repository as the hub lists it. */
export interface HubFile {
  readonly repository: string;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface DownloadOptions extends Hub {
  /** Gets the number of bytes that are there, at first and after each piece. */
  readonly onProgress?: (bytes: number) => void;
  /** Leaves what has come for a later download. */
  readonly signal?: AbortSignal;
  /** Free bytes of the disk of a folder. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

/**
 * Downloads a file to `target`, unless it is there already.
 *
 * @throws Error where the disk is too small, the connection ends early, or the bytes are not those that the hub lists.
 */
export async function download(
  file: HubFile,
  target: string,
  { onProgress, signal, freeBytes = freeBytesOf, ...hub }: DownloadOptions = {},
): Promise<void> {
  if ((await sizeOf(target)) === file.bytes) {
    const hash = createHash("sha256");
    await hashFile(target, hash);
    if (hash.digest("hex") === file.sha256) return;
  }
  const part = `${target}.part`;
  await mkdir(dirname(target), { recursive: true });
  let done = await sizeOf(part);
  const free = await freeBytes(dirname(target));
  if (free < file.bytes - done) {
    throw new Error(
      `${file.path} needs ${formatBytes(file.bytes - done)}, the disk of ${dirname(target)} has ${formatBytes(free)} free`,
    );
  }
  const hash = createHash("sha256");
  if (done > 0) await hashFile(part, hash);
  onProgress?.(done);
  if (done < file.bytes) {
    const handle = await open(part, "a");
    try {
      for await (const bytes of rest(file, done, hub, signal)) {
        await handle.appendFile(bytes);
        hash.update(bytes);
        done += bytes.length;
        onProgress?.(done);
      }
      await handle.sync();
    } catch (cause) {
      const why = signal?.aborted ? "stopped" : `the download ended (${reasonOf(cause)})`;
      throw new Error(
        `${why} after ${formatBytes(done)} of ${formatBytes(file.bytes)}; the same command goes on from there`,
        { cause },
      );
    } finally {
      await handle.close();
    }
  }
  const sha256 = hash.digest("hex");
  if (sha256 !== file.sha256) {
    await rm(part);
    throw new Error(
      `${file.path} has the SHA-256 ${sha256}, the hub says ${file.sha256}; what came was deleted`,
    );
  }
  await rename(part, target);
}

/** The bytes of a file from `start` on. */
async function* rest(
  { repository, path, bytes }: HubFile,
  start: number,
  hub: Hub,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const blob = await downloadFile({
    ...hub,
    repo: repository,
    path,
    xet: false,
    fetch: (input, init) => fetch(input, { ...init, signal }),
  });
  if (blob === null) throw new Error("the file is gone");
  yield* blob.slice(start, bytes).stream() as unknown as AsyncIterable<Uint8Array>;
}

/** The stream of the library fails with a text. */
function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

async function hashFile(path: string, hash: Hash): Promise<void> {
  for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(bytes as Buffer);
  }
}

/** 0 where there is no file. */
async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
