/** Dictionaries from 20,000 letters of a chain with two letters of memory: what a model of single tokens loses, beside the exact limits. */
import { createRng } from "@veridraft/core-probs";
import {
  createLookup,
  encodeGreedy,
  encodeRules,
  learnLzw,
  learnPairs,
  switchingSource,
  unigramLoss,
} from "@veridraft/tokenization/systems";

const source = switchingSource(2, 0.8, 0.8);
const key = createRng(1);
const train = source.sample(20_000, key.at(0, "draft"));
const fresh = source.sample(50_000, key.at(0, "sample"));

console.log(`letters ${source.stationaryEntropy.toFixed(3)} nats a letter`);
for (const size of [20, 200]) {
  const lzw = encodeGreedy(createLookup(learnLzw(train, size)), fresh);
  const pairs = encodeRules(learnPairs(train, size), fresh);
  const [one, two] = [lzw, pairs].map((tokens) => unigramLoss(tokens, fresh.length).natsPerSymbol);
  console.log(`${size} tokens: LZW ${one.toFixed(3)}, pairs ${two.toFixed(3)}`);
}
console.log(`no tokenizer below ${source.entropyRate.toFixed(3)}`);
// -> letters 0.693 nats a letter
// -> 20 tokens: LZW 0.636, pairs 0.543
// -> 200 tokens: LZW 0.575, pairs 0.540
// -> no tokenizer below 0.500
