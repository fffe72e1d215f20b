/** Checks that a parsed tokenizer.json has the shape that its readers rely on, before they do. */
import { ModelFileError } from "@veridraft/core-probs/errors";

/** Lists of components inside a component of type "Sequence". */
const sequenceKeys = ["normalizers", "pretokenizers", "processors", "decoders"];
const largestId = 2 ** 24;

/**
 * Checks all that is read of a file but the meaning of its parts.
 *
 * @throws ModelFileError naming the place, what must be there and what is.
 */
export function checkTokenizerJson(json: unknown): void {
  const file = record("the file", json);
  const model = record("model", file.model);
  const { type, vocab, merges, unk_token: unknown } = model;
  if (type !== undefined) text("model.type", type);
  if (unknown !== undefined && unknown !== null) text("model.unk_token", unknown);
  // Unigram has a list of pieces and scores, the others a map of ids.
  if (Array.isArray(vocab)) {
    vocab.forEach((entry, i) => {
      const [piece] = list(`model.vocab[${i}]`, entry);
      text(`model.vocab[${i}][0]`, piece);
    });
  } else {
    for (const [piece, id] of Object.entries(record("model.vocab", vocab))) {
      if (!isId(id)) fail(`model.vocab[${JSON.stringify(piece)}]`, idWords, id);
    }
  }
  if (type === undefined || type === "BPE") {
    list("model.merges", merges).forEach((merge, i) => {
      const isPair =
        Array.isArray(merge) &&
        merge.length === 2 &&
        merge.every((part) => typeof part === "string");
      if (typeof merge !== "string" && !isPair) fail(`model.merges[${i}]`, "a text or two", merge);
    });
  }
  if (file.added_tokens !== undefined) {
    list("added_tokens", file.added_tokens).forEach((entry, i) => {
      const { id, content } = record(`added_tokens[${i}]`, entry);
      if (!isId(id)) fail(`added_tokens[${i}].id`, idWords, id);
      if (text(`added_tokens[${i}].content`, content) === "") {
        fail(`added_tokens[${i}].content`, "a text of one character or more", content);
      }
    });
  }
  for (const key of ["normalizer", "pre_tokenizer", "post_processor", "decoder"]) {
    if (file[key] !== undefined && file[key] !== null) checkComponent(key, file[key]);
  }
}

function checkComponent(place: string, value: unknown): void {
  const component = record(place, value);
  const type = text(`${place}.type`, component.type);
  for (const key of sequenceKeys) {
    if (component[key] === undefined) continue;
    list(`${place}.${key}`, component[key]).forEach((part, i) =>
      checkComponent(`${place}.${key}[${i}]`, part),
    );
  }
  if (type === "Sequence" && !sequenceKeys.some((key) => component[key] !== undefined)) {
    fail(`${place}.${sequenceKeys.join("|")}`, "a list", undefined);
  }
  if (type === "Split") {
    const pattern = record(`${place}.pattern`, component.pattern);
    text(`${place}.pattern.Regex|String`, pattern.Regex ?? pattern.String);
  }
  if (type === "TemplateProcessing") {
    list(`${place}.single`, component.single).forEach((part, i) =>
      record(`${place}.single[${i}]`, part),
    );
  }
}

const idWords = `an integer in [0, ${largestId})`;

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < largestId;
}

function record(place: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail(place, "an object", value);
  }
  return value as Record<string, unknown>;
}

function list(place: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) fail(place, "a list", value);
  return value as unknown[];
}

function text(place: string, value: unknown): string {
  if (typeof value !== "string") fail(place, "a text", value);
  return value as string;
}

function fail(place: string, what: string, value: unknown): never {
  const got = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
  throw new ModelFileError(`tokenizerFromJson: ${place} must be ${what}, got ${got}`);
}
