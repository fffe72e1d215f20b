/** Small token models for laws over bytes, and what they say by the definition. */
import type { LanguageModel } from "@veridraft/core-probs";
import { forwardModel } from "@veridraft/core-probs/testing";
import { createByteTrie, type Tokenizer } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

/** Probabilities by token text; "" is the end. */
export type Law = Readonly<Record<string, number>>;

export interface ByteToy {
  readonly tokenizer: Tokenizer;
  readonly model: LanguageModel;
  readonly trie: ReturnType<typeof createByteTrie>;
  readonly bos: number;
  /** The law after token texts. */
  readonly law: (history: readonly string[]) => Law;
}

/** A model of bytes and `merges` whose law depends on the token texts after BOS. */
export function byteToy(merges: readonly string[], law: ByteToy["law"]): ByteToy {
  const shape = smallTokenizer(merges, ["<bos>", "<end>"]);
  const bos = shape.vocabSize - 2;
  const tokenizer = smallTokenizer(merges, ["<bos>", "<end>"], { endIds: new Set([bos + 1]) });
  const cols = tokenizer.vocabSize;
  const model = forwardModel({
    vocabSize: cols,
    contextLength: 64,
    async run(committed, tokens) {
      const data = new Float32Array(tokens.length * cols).fill(-Infinity);
      tokens.forEach((_, i) => {
        const ids = [...committed, ...tokens.subarray(0, i + 1)].slice(1);
        for (const [text, p] of Object.entries(law(ids.map(tokenizer.piece)))) {
          const id = text === "" ? bos + 1 : (tokenizer.idOf(text) as number);
          data[i * cols + id] = Math.log(p);
        }
      });
      return { data, rows: tokens.length, cols };
    },
  });
  return { tokenizer, model, trie: createByteTrie(tokenizer), bos, law };
}

/** Vocabulary AA, A, B, by a chain over bytes: P(A) = .5 first, P(A|A) = .4, P(A|B) = .7. */
export const markovToy = byteToy(["A A"], (history): Law => {
  if (history.length === 0) return { AA: 0.2, A: 0.3, B: 0.5 };
  if (history.at(-1) === "A") return { B: 1 };
  return history.at(-1) === "AA" ? { AA: 0.16, A: 0.24, B: 0.6 } : { AA: 0.28, A: 0.42, B: 0.3 };
});

/** Encodes "abcd" (.6) as a, bcd and "abab" (.4) as ab, ab. */
export const healingToy = byteToy(["b c", "bc d", "a b"], (history): Law => {
  if (history.length === 0) return { a: 0.6, ab: 0.4 };
  if (history.length === 2) return { "": 1 };
  return history[0] === "a" ? { bcd: 1 } : { ab: 1 };
});

/** Tokens drawn one by one from one law. */
export const independentToy = byteToy(["b c", "a b", "a bc"], () => ({
  a: 0.2,
  b: 0.15,
  c: 0.1,
  bc: 0.15,
  ab: 0.2,
  abc: 0.1,
  "": 0.1,
}));

/** P(the text begins with `text`): the sum over all token sequences that reach its end, from the first token on. */
export function bruteForce(law: ByteToy["law"], text: string, history: string[] = []): number {
  if (text === "") return 1;
  return Object.entries(law(history))
    .filter(([token]) => token !== "" && (token.startsWith(text) || text.startsWith(token)))
    .reduce(
      (sum, [token, p]) => sum + p * bruteForce(law, text.slice(token.length), [...history, token]),
      0,
    );
}
