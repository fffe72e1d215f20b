import { readFileSync } from "node:fs";
import { measureTokenizer, type TokenizerMeasures } from "@veridraft/tokenization";
import { markdownTable } from "markdown-table";
import { modelPath } from "./model-folder.ts";
import { openTokenizer } from "./open-tokenizer.ts";

/** Measures of two tokenizers on a text file, by what they were called. */
export async function compareTokenizers(
  names: readonly [string, string],
  file: string,
): Promise<Record<string, TokenizerMeasures>> {
  const text = readFileSync(file, "utf8");
  const tokenizers = await Promise.all(names.map((name) => openTokenizer(modelPath(name))));
  return Object.fromEntries(
    tokenizers.map((tokenizer, i) => [names[i], measureTokenizer(tokenizer, [text])]),
  );
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The measures as a table, a column each. */
export function comparisonTable(measures: Record<string, TokenizerMeasures>): string {
  const columns = Object.values(measures);
  const row = (label: string, read: (measures: TokenizerMeasures) => string): string[] => [
    label,
    ...columns.map(read),
  ];
  return markdownTable(
    [
      ["", ...Object.keys(measures)],
      row("vocabulary", ({ vocabSize }) => String(vocabSize)),
      row("tokens", ({ tokens }) => String(tokens)),
      row("bytes a token", ({ bytesPerToken }) => bytesPerToken.toFixed(3)),
      row("characters a token", ({ charactersPerToken }) => charactersPerToken.toFixed(3)),
      row("tokens a word", ({ fertility }) => fertility.toFixed(3)),
      row("words that are one token", ({ wholeWords }) => percent(wholeWords)),
      row("vocabulary in use", ({ usedVocabulary }) => percent(usedVocabulary)),
      row("Rényi efficiency", ({ renyiEfficiency }) => renyiEfficiency.toFixed(3)),
    ],
    { align: ["l", ...columns.map(() => "r" as const)] },
  );
}
