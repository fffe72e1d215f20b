import { createReadStream, writeFileSync } from "node:fs";
import { createTokenizer, toTokenizerJson } from "@veridraft/tokenization";
import { trainBpe } from "@veridraft/tokenization/training";

/** Text of a file in parts that end with a line, of about this many characters, so that a file of any size can be read. */
const partLength = 65_536;
const barWidth = 30;

/** Trains a byte-level BPE vocabulary on a text file and writes its tokenizer.json. */
export async function trainTokenizer(
  file: string,
  vocabSize: number,
  out: string,
): Promise<{ vocabSize: number; merges: number }> {
  const vocabulary = await trainBpe(readParts(file), {
    vocabSize,
    special: ["<|endoftext|>"],
    onProgress: showProgress(),
  });
  writeFileSync(out, JSON.stringify(toTokenizerJson(createTokenizer(vocabulary))));
  return { vocabSize: vocabulary.pieces.length, merges: vocabulary.merges.length };
}

async function* readParts(file: string): AsyncGenerator<string> {
  let held = "";
  for await (const chunk of createReadStream(file, { encoding: "utf8" })) {
    held += chunk as string;
    const end = held.length < partLength ? 0 : held.lastIndexOf("\n") + 1;
    if (end === 0) continue;
    yield held.slice(0, end);
    held = held.slice(end);
  }
  if (held !== "") yield held;
}

/** A bar that is written over in a terminal; a line each tenth elsewhere. */
function showProgress(): (progress: { merges: number; of: number }) => void {
  const { isTTY } = process.stderr;
  let shown = -1;
  return ({ merges, of }) => {
    const steps = isTTY ? 100 : 10;
    const step = of === 0 ? steps : Math.floor((steps * merges) / of);
    if (step === shown) return;
    shown = step;
    const filled = Math.round((barWidth * step) / steps);
    const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
    const end = isTTY && step < steps ? "\x1b[K\r" : "\n";
    process.stderr.write(`${bar} ${merges} of ${of} merges${end}`);
  };
}
