import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UnsupportedError } from "@veridraft/core-probs";
import { loadTokenizer } from "@veridraft/engine-onnx";
import {
  loadTokenizerJson,
  tiktokenEncodings,
  type Tokenizer,
  tokenizerFromTiktoken,
} from "@veridraft/tokenization";

/** The tokenizer of a model, of a tokenizer.json with the tokenizer_config.json beside it, or of one of OpenAI's tiktoken files. */
export async function openTokenizer(path: string): Promise<Tokenizer> {
  if (path.endsWith(".tiktoken")) return openTiktoken(path);
  if (!path.endsWith(".json")) return loadTokenizer(path);
  const config = join(dirname(path), "tokenizer_config.json");
  return loadTokenizerJson(readJson(path), existsSync(config) ? readJson(config) : {});
}

function openTiktoken(path: string): Tokenizer {
  const name = basename(path, ".tiktoken");
  if (!Object.hasOwn(tiktokenEncodings, name)) {
    throw new UnsupportedError(
      `${path}: how the encoding "${name}" splits text is not in the file and not known; known are ${Object.keys(tiktokenEncodings).join(", ")}, by the name of the file`,
    );
  }
  const options = tiktokenEncodings[name as keyof typeof tiktokenEncodings];
  return tokenizerFromTiktoken(readFileSync(path, "utf8"), options);
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8"));
}
