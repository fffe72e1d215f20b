/** What programs do with a prompt that ends inside a token when they do not sum over its encodings: the laws to compare with. */
import {
  InvalidArgumentError,
  type LanguageModel,
  logProbOf,
  row,
  softmax,
} from "@veridraft/core-probs";
import { byteSymbols, endOfBytes, normalizeInPlace } from "./byte-source.ts";
import type { ByteTrie } from "./byte-trie.ts";

/**
 * The law of the next byte as that of the first byte of the next token.
 *
 * @param prompt Ids of all of the prompt, at least one.
 * @throws InvalidArgumentError for no ids.
 */
export async function naiveByteLaw(
  model: LanguageModel,
  trie: ByteTrie,
  prompt: ArrayLike<number>,
): Promise<Float64Array> {
  if (prompt.length === 0) {
    throw new InvalidArgumentError("naiveByteLaw: needs at least 1 id, got 0");
  }
  const sequence = await model.open();
  try {
    const logits = await sequence.forward(prompt, { rows: "last" });
    return normalizeInPlace("naiveByteLaw", addFirstBytes(trie, softmax(row(logits, 0)), 1));
  } finally {
    sequence.dispose();
  }
}

/**
 * Token healing (Lundberg, guidance, 2023): takes the last token back and asks for tokens that begin with its text. The law of the byte after that text.
 *
 * @param prompt Ids of all of the prompt, at least two; the last is no control token.
 * @throws InvalidArgumentError for fewer ids or a control token at the end.
 */
export async function healedByteLaw(
  model: LanguageModel,
  trie: ByteTrie,
  prompt: ArrayLike<number>,
): Promise<Float64Array> {
  const node =
    prompt.length < 2 ? undefined : trie.find(trie.tokenBytes(prompt[prompt.length - 1]));
  if (node === undefined) {
    throw new InvalidArgumentError(
      `healedByteLaw: needs at least 2 ids that end with text, got ${Array.from(prompt).join(" ")}`,
    );
  }
  const sequence = await model.open();
  try {
    const logits = await sequence.forward(prompt);
    const before = row(logits, prompt.length - 2);
    const same = Math.exp(logProbOf(before, prompt[prompt.length - 1]));
    const masses = addFirstBytes(trie, softmax(row(logits, prompt.length - 1)), same);
    trie.addMasses(node, softmax(before), 1, masses);
    return normalizeInPlace("healedByteLaw", masses);
  } finally {
    sequence.dispose();
  }
}

function addFirstBytes(trie: ByteTrie, probs: Float32Array, scale: number): Float64Array {
  const masses = new Float64Array(byteSymbols);
  trie.addMasses(trie.root, probs, scale, masses);
  for (const id of trie.endIds) masses[endOfBytes] += scale * (probs[id] ?? 0);
  return masses;
}
