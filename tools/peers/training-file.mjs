// What the JavaScript peers of `veridraft bench training` share: the file that says what to train, and the conversation.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { file: { type: "string" }, threads: { type: "string", default: "2" } },
});

/** Of CPUs. */
export const threads = Number(values.threads);

/** Parameters by name and batches, each tensor as `{ data, shape }`, and what to train on them. */
export function readTraining() {
  const bytes = readFileSync(values.file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: notes, ...header } = JSON.parse(bytes.subarray(8, start).toString());
  const params = {};
  const batches = [];
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    const part = Uint8Array.from(bytes.subarray(...offsets.map((offset) => start + offset)));
    const data = new (dtype === "F32" ? Float32Array : Int32Array)(part.buffer);
    const [kind, ...rest] = name.split(".");
    if (kind === "params") params[rest.join(".")] = { data, shape };
    else (batches[rest[0]] ??= {})[rest[1]] = { data, shape };
  }
  return { params, batches, workload: JSON.parse(notes.workload) };
}

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Says the version, then answers requests `{"steps": 4}`. @param train Trains from the first parameters on; returns `{ ms, losses }`. */
export async function serveTraining(version, train) {
  answer({ version });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      answer(await train(JSON.parse(line).steps));
    } catch (error) {
      answer({ error: error.message });
    }
  }
  // Workers would keep the process.
  process.exit();
}

/** The version of an installed package. */
export function versionOf(name) {
  return JSON.parse(
    readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"),
  ).version;
}
