import { readFileSync } from "node:fs";
import { compareTokenizers, type TokenizerReport } from "@veridraft/tokenization/systems";
import { markdownTable } from "markdown-table";
import { modelPath } from "./model-folder.ts";
import { openTokenizer } from "./open-tokenizer.ts";

/** What a text file costs with a tokenizer. */
interface FileReport extends Omit<TokenizerReport, "tokens" | "lengths"> {
  readonly tokens: number;
  readonly bytesPerToken: number;
  /** Distinct tokens that occur, by their length in bytes. */
  readonly lengths: Readonly<Record<number, number>>;
}

/** Reports of two tokenizers on a text file, by what they were called. */
export async function compareOnFile(
  names: readonly [string, string],
  file: string,
): Promise<Record<string, FileReport>> {
  const text = readFileSync(file, "utf8");
  const tokenizers = await Promise.all(names.map((name) => openTokenizer(modelPath(name))));
  const named = Object.fromEntries(tokenizers.map((tokenizer, i) => [names[i], tokenizer]));
  return Object.fromEntries(
    Object.entries(compareTokenizers(named, { file: [text] })).map(([name, report]) => {
      const tokens = report.tokens.file;
      const lengths = Object.fromEntries(report.lengths);
      return [
        name,
        { ...report, tokens, bytesPerToken: Buffer.byteLength(text) / tokens, lengths },
      ];
    }),
  );
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The reports as a table, a column each. */
export function comparisonTable(reports: Record<string, FileReport>): string {
  const columns = Object.values(reports);
  const row = (label: string, read: (report: FileReport) => string): string[] => [
    label,
    ...columns.map(read),
  ];
  return markdownTable(
    [
      ["", ...Object.keys(reports)],
      row("vocabulary", ({ vocabSize }) => String(vocabSize)),
      row("tokens", ({ tokens }) => String(tokens)),
      row("bytes a token", ({ bytesPerToken }) => bytesPerToken.toFixed(3)),
      row("characters a token", ({ charactersPerToken }) => charactersPerToken.toFixed(3)),
      row("tokens a word", ({ tokensPerWord }) => tokensPerWord.toFixed(3)),
      row("words that are one token", ({ wholeWords }) => percent(wholeWords)),
      row("vocabulary in use", ({ used }) => percent(used)),
      row("Rényi efficiency", ({ efficiency }) => efficiency.toFixed(3)),
      row("slope of Zipf's law", ({ zipfSlope }) => zipfSlope.toFixed(3)),
    ],
    { align: ["l", ...columns.map(() => "r" as const)] },
  );
}
