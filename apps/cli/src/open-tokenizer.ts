import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadTokenizer } from "@veridraft/engine-onnx";
import { loadTokenizerJson, type Tokenizer } from "@veridraft/tokenization";

/** The tokenizer of a model, or of a tokenizer.json with the tokenizer_config.json beside it. */
export async function openTokenizer(path: string): Promise<Tokenizer> {
  if (!path.endsWith(".json")) return loadTokenizer(path);
  const config = join(dirname(path), "tokenizer_config.json");
  return loadTokenizerJson(readJson(path), existsSync(config) ? readJson(config) : {});
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8"));
}
