import type { TiktokenOptions } from "./tiktoken.ts";

const endOfText = { "<|endoftext|>": 50_256 };

/** OpenAI's encodings by name: the split and the control tokens, which tiktoken has in its code and not in its files. */
export const tiktokenEncodings = {
  r50k_base: { pattern: "r50k", special: endOfText },
  p50k_base: { pattern: "r50k", special: endOfText },
  p50k_edit: {
    pattern: "r50k",
    special: {
      ...endOfText,
      "<|fim_prefix|>": 50_281,
      "<|fim_middle|>": 50_282,
      "<|fim_suffix|>": 50_283,
    },
  },
  cl100k_base: {
    pattern: "cl100k",
    special: {
      "<|endoftext|>": 100_257,
      "<|fim_prefix|>": 100_258,
      "<|fim_middle|>": 100_259,
      "<|fim_suffix|>": 100_260,
      "<|endofprompt|>": 100_276,
    },
  },
  o200k_base: {
    pattern: "o200k",
    special: { "<|endoftext|>": 199_999, "<|endofprompt|>": 200_018 },
  },
} as const satisfies Readonly<Record<string, TiktokenOptions>>;
