import { writeFileSync } from "node:fs";
import { text as readText } from "node:stream/consumers";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { encodeWithOffsets } from "@veridraft/tokenization";
import { z } from "zod";
import { compareOnFile, comparisonTable } from "./compare-tokenizers.ts";
import { openTokenizer } from "./open-tokenizer.ts";
import { jsonOption, modelOptions } from "./options.ts";
import { quotePiece } from "./quote-piece.ts";
import { tokenizeHtml } from "./tokenize-html.ts";
import { trainTokenizer } from "./train-tokenizer.ts";

export const tokenizeOptions = z.strictObject({
  model: modelOptions.shape.model.describe(
    "GGUF file, ONNX folder, tokenizer.json, o200k_base.tiktoken and the like, or name of the model.",
  ),
  offsets: z
    .boolean()
    .default(false)
    .describe("Print where each token is in the text, in UTF-16 units."),
  count: z.boolean().default(false).describe("Print the number of tokens only."),
  html: z
    .string()
    .min(1)
    .optional()
    .describe("Write a page that shows the tokens in colors to this file."),
  compare: z
    .boolean()
    .default(false)
    .describe("Compare two tokenizers on a text file: --compare A B FILE."),
  train: z.string().min(1).optional().describe("Train a tokenizer on this text file."),
  vocabSize: z.int().min(257).default(8192).describe("Tokens of the trained tokenizer."),
  out: z.string().min(1).default("tokenizer.json").describe("File of the trained tokenizer."),
  json: jsonOption,
});

type Flags = z.output<typeof tokenizeOptions>;

/** `veridraft tokenize`. */
export async function tokenize(words: readonly string[], flags: Flags): Promise<void> {
  if (flags.train !== undefined) {
    const { out, train, vocabSize } = flags;
    const trained = await trainTokenizer(train, vocabSize, out);
    print(flags, { ...trained, out }, `${trained.vocabSize} tokens in ${out}`);
    return;
  }
  if (flags.compare) {
    const [first, second, file] = words;
    if (words.length !== 3) {
      throw new InvalidArgumentError(
        `tokenize: --compare needs two tokenizers and a text file, got ${words.length} arguments`,
      );
    }
    const measures = await compareOnFile([first, second], file);
    print(flags, measures, comparisonTable(measures));
    return;
  }
  if (words.length > 1 || (words.length === 0 && process.stdin.isTTY)) {
    throw new InvalidArgumentError(
      `tokenize: one text is needed, in quotes or on stdin, got ${words.length}`,
    );
  }
  await tokenizeText(words[0] ?? (await readText(process.stdin)), flags);
}

async function tokenizeText(text: string, flags: Flags): Promise<void> {
  const tokenizer = await openTokenizer(flags.model);
  if (flags.html !== undefined) {
    writeFileSync(flags.html, tokenizeHtml(tokenizer, text));
    print(flags, { html: flags.html }, flags.html);
    return;
  }
  if (flags.count) {
    const count = tokenizer.count(text);
    print(flags, { count }, String(count));
    return;
  }
  const ids = Array.from(tokenizer.encode(text));
  const pieces = ids.map((id) => tokenizer.piece(id));
  const { starts, ends } = flags.offsets ? encodeWithOffsets(tokenizer, text) : {};
  const offsets = ids.map((_, i) => [starts?.[i], ends?.[i]]);
  const lines = ids.map((id, i) => {
    const place = flags.offsets ? `${offsets[i].join("-").padStart(11)}  ` : "";
    return `${String(id).padStart(6)}  ${place}${quotePiece(pieces[i])}`;
  });
  print(flags, { ids, pieces, ...(flags.offsets && { offsets }) }, lines.join("\n"));
}

function print(flags: Flags, value: object, text: string): void {
  process.stdout.write(`${flags.json ? JSON.stringify(value) : text}\n`);
}
