/**
 * Split patterns of byte-level BPE models, and their translation from Oniguruma and Rust syntax to JavaScript (u flag).
 *
 * White space: JavaScript's \s has U+FEFF and lacks U+0085, theirs the reverse; so \s is written out. Possessive quantifiers become greedy ones:
 * in the published patterns what follows cannot match what they took. (?i:...) is written out in ASCII letters, as
 * llama.cpp does.
 */
import { UnsupportedError } from "@veridraft/core-probs/errors";

const whiteSpace = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** GPT-2, in the syntax of tokenizer.json. */
export const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Numbers of any script, one at a time. */
export const digitPattern = "\\p{N}";

/** {@link digitPattern}, then {@link gpt2Pattern} on what is between, as one pattern. */
export const digitsThenGpt2Pattern =
  "\\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?![^\\s\\p{N}])|\\s+";

const cl100kPattern = (numbers: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** Llama 3: numbers in groups of three. */
export const llama3Pattern = cl100kPattern("\\p{N}{1,3}");

/** Qwen 2: numbers one at a time. */
export const qwen2Pattern = cl100kPattern("\\p{N}");

/** Words end where a capital follows a small letter. */
const casedPattern = (upper: string, lower: string, suffix: string, numbers: string): string => {
  const start = "[^\\r\\n\\p{L}\\p{N}]?";
  return `${start}${upper}*${lower}+${suffix}|${start}${upper}+${lower}*${suffix}|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
};

const contractionSuffix = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

/** GPT-4o, as OpenAI writes it. */
export const o200kPattern = casedPattern(
  "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]",
  "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]",
  contractionSuffix,
  "\\p{N}{1,3}",
);

/** As in llama.cpp, letters outside of ASCII are both, and marks neither. */
const asciiCases = ["(?:(?![a-z])\\p{L})", "(?:(?![A-Z])\\p{L})"] as const;

/** GPT-4o, Phi 4 mini and Llama 4, as llama.cpp reads it. */
export const gpt4oPattern = casedPattern(...asciiCases, contractionSuffix, "\\p{N}{1,3}");

/** Mistral's Tekken: no contractions, numbers one at a time. */
export const tekkenPattern = casedPattern(...asciiCases, "", "\\p{N}");

/**
 * A JavaScript regular expression, global or sticky, for `pattern`.
 *
 * @throws UnsupportedError where JavaScript has no equivalent.
 */
export function compilePattern(pattern: string, flags: "g" | "y"): RegExp {
  try {
    return new RegExp(translate(pattern), `${flags}u`);
  } catch (cause) {
    throw new UnsupportedError(
      `compilePattern: the split pattern ${pattern} has no JavaScript equivalent: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** Patterns of which some alternative matches at every position. */
export const gaplessPatterns: ReadonlySet<string> = new Set([
  gpt2Pattern,
  digitsThenGpt2Pattern,
  llama3Pattern,
  qwen2Pattern,
  o200kPattern,
  gpt4oPattern,
  tekkenPattern,
]);

/** One step of a pattern: an escape, a quantifier (perhaps possessive), the opening of (?i:, or a character. */
const step = /\\[pP]\{[^}]*\}|\\.|(?:[?*+]|\{\d*,?\d*\})\+?|\(\?i:|./gsu;

function translate(pattern: string): string {
  let result = "";
  let inClass = false;
  let depth = 0; // of parentheses
  let foldDepth = Infinity; // depth of the innermost (?i:, while inside one
  for (const [token] of pattern.matchAll(step)) {
    if (token === "\\s") result += inClass ? whiteSpace : `[${whiteSpace}]`;
    else if (token === "\\S" && inClass) throw new Error("\\S inside a class");
    else if (token === "\\S") result += `[^${whiteSpace}]`;
    else if (inClass) {
      inClass = token !== "]";
      result += token;
    } else if (token === "(?i:") {
      depth++;
      foldDepth = Math.min(foldDepth, depth);
      result += "(?:";
    } else {
      if (token === "[") inClass = true;
      if (token === "(") depth++;
      if (token === ")") depth--;
      if (depth < foldDepth) foldDepth = Infinity;
      const possessive = token.length > 1 && /^[?*+{].*\+$/u.test(token);
      if (possessive) result += token.slice(0, -1);
      else result += foldDepth <= depth && /^[a-z]$/i.test(token) ? bothCases(token) : token;
    }
  }
  return result;
}

function bothCases(letter: string): string {
  return `[${letter.toLowerCase()}${letter.toUpperCase()}]`;
}
