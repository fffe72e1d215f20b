/**
 * What tokenizer.json says of a SentencePiece vocabulary of the BPE kind (Llama 2, Mistral, Gemma): merges in place of scores, and normalizers or
 * Metaspace in place of the space before a text.
 *
 * Does not: Metaspace that splits or puts spaces before texts, which it leaves out where one is there; texts that are changed in any other way.
 */
import { UnsupportedError } from "@veridraft/core-probs/errors";
import type { ComponentJson, TokenizerJson } from "./tokenizer-json.ts";

const spaceMark = "▁";
const bytePiece = /^<0x[0-9A-F]{2}>$/;

/** Whether a space goes before a text. @throws UnsupportedError naming the component that does something else. */
export function readSpacePrefix({ normalizer, pre_tokenizer }: TokenizerJson): boolean {
  let marks = false;
  let prefix = false;
  for (const component of partsOf(normalizer, "normalizers")) {
    if (component.type === "Prepend" && component.prepend === spaceMark) prefix = true;
    else if (component.type === "Replace" && replacesSpaces(component)) marks = true;
    else refuse(`normalizer "${component.type}"`);
  }
  for (const component of partsOf(pre_tokenizer, "pretokenizers")) {
    // Gemma splits at spaces, of which none are left.
    if (component.type === "Split" && marks && patternOf(component) === " ") continue;
    if (component.type !== "Metaspace") refuse(`pre_tokenizer "${component.type}"`);
    const scheme = component.prepend_scheme ?? "always";
    if (component.split !== false || scheme !== "never") {
      refuse(
        `Metaspace with split ${String(component.split)} and prepend_scheme ${String(scheme)}`,
      );
    }
    marks = true;
  }
  if (!marks) refuse(`a vocabulary that does not write spaces as "${spaceMark}"`);
  return prefix;
}

/**
 * Scores that merge as the list of merges does: minus the place of a piece's first merge.
 *
 * @param literalIds Special and user-defined tokens, which nothing merges to.
 * @throws UnsupportedError where no scores do.
 */
export function scoresOf(
  pieces: readonly string[],
  merges: readonly (readonly [string, string])[],
  literalIds: ReadonlySet<number>,
): number[] {
  const rankOf = new Map(merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
  const normal = new Set(pieces.filter((_, id) => !literalIds.has(id)));
  // A character needs no piece to be merged here.
  const isSymbol = (text: string): boolean => normal.has(text) || [...text].length === 1;
  const last = merges.length;
  const ranges: { readonly from: number; readonly to: number; readonly piece: string }[] = [];
  const scores = pieces.map((piece, id) => {
    if (literalIds.has(id) || bytePiece.test(piece)) return -last;
    let [from, to] = [last, -1];
    for (const [left, right] of splits(piece)) {
      if (!isSymbol(left) || !isSymbol(right)) continue;
      const rank = rankOf.get(`${left} ${right}`);
      if (rank === undefined) refuse(`"${piece}" without the merge of "${left}" and "${right}"`);
      from = Math.min(from, rank);
      to = Math.max(to, rank);
    }
    if (to >= 0) ranges.push({ from, to, piece });
    return -from;
  });
  ranges.sort((a, b) => a.from - b.from);
  for (let i = 1; i < ranges.length; i++) {
    if (ranges[i].from < ranges[i - 1].to) {
      refuse(`merges to "${ranges[i].piece}" among those to "${ranges[i - 1].piece}"`);
    }
  }
  return scores;
}

/** All ways to cut a piece in two, between characters. */
function* splits(piece: string): Generator<[string, string]> {
  let at = 0;
  for (const character of piece) {
    if (at > 0) yield [piece.slice(0, at), piece.slice(at)];
    at += character.length;
  }
}

function partsOf(component: ComponentJson | null | undefined, key: string): ComponentJson[] {
  if (!component) return [];
  return component.type === "Sequence" ? (component[key] as ComponentJson[]) : [component];
}

function patternOf({ pattern }: ComponentJson): unknown {
  return (pattern as { String?: string } | undefined)?.String;
}

function replacesSpaces(component: ComponentJson): boolean {
  return patternOf(component) === " " && component.content === spaceMark;
}

function refuse(what: string): never {
  throw new UnsupportedError(
    `tokenizerFromJson: ${what} is not supported in a vocabulary with byte_fallback; SentencePiece as converted from its model file is`,
  );
}
