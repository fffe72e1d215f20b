/** The options of the commands that generate, each in one place: flag, bounds, default and help text. */
import { defaultSampling, InvalidArgumentError } from "@veridraft/core-probs";
import { weightFormats } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { type Command, Option } from "commander";
import { z } from "zod";

/** The drafters that can be asked for. */
export const drafterNames = ["none", "prompt-lookup", "suffix", "recycling", "model"] as const;

export const modelOptions = z.strictObject({
  model: z.string().default(smolLM2.path).describe("GGUF file; default the embedded model"),
  weights: z.enum(weightFormats).default("int8").describe("format of the weights"),
});

export const generateOptions = modelOptions.extend({
  maxTokens: z.coerce.number().int().min(1).default(256).describe("most tokens of text"),
  temperature: z.coerce
    .number()
    .min(0)
    .default(defaultSampling.temperature)
    .describe("0 is greedy"),
  topK: z.coerce.number().int().min(0).default(defaultSampling.topK).describe("0 keeps all tokens"),
  topP: z.coerce.number().gt(0).max(1).default(defaultSampling.topP).describe("mass that is kept"),
  minP: z.coerce
    .number()
    .min(0)
    .lt(1)
    .default(defaultSampling.minP)
    .describe("least share of the largest probability"),
  repetitionPenalty: z.coerce
    .number()
    .gt(0)
    .default(defaultSampling.repetitionPenalty)
    .describe("1 is none"),
  seed: z.coerce
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe("same seed, same text; drawn where absent"),
  stop: z
    .array(z.string().min(1))
    .default([])
    .describe("text ends before this string; may be given again"),
  drafter: z.enum(drafterNames).default("suffix").describe("what proposes tokens"),
  draftModel: z.string().optional().describe("GGUF file of the draft model, for --drafter model"),
  numSpeculativeTokens: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .optional()
    .describe("draft tokens a round; chosen from measured costs where absent"),
  coupling: z
    .enum(["seeded", "optimal"])
    .default("seeded")
    .describe("how drafts and target draws are tied together"),
  raw: z.boolean().default(false).describe("no chat template: continue the text as it stands"),
  logprobs: z.coerce
    .number()
    .int()
    .min(0)
    .max(64)
    .optional()
    .describe("report log-probabilities and this many alternatives"),
  verifier: z.string().min(1).optional().describe("host:port of a verifier server that generates"),
  json: z.boolean().default(false).describe("one JSON object on stdout and nothing else"),
});
export type GenerateFlags = z.output<typeof generateOptions>;

/** Adds a command line flag for every field of a schema. */
export function addFlags(command: Command, schema: z.ZodObject): Command {
  for (const [name, field] of Object.entries(schema.shape)) {
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const bare = field instanceof z.ZodDefault ? field.unwrap() : field;
    const text = field.description ?? "";
    if (bare instanceof z.ZodBoolean) command.addOption(new Option(flag, text));
    else if (bare instanceof z.ZodArray) {
      command.addOption(
        new Option(`${flag} <text>`, text).argParser((value: string, all: string[] = []) => [
          ...all,
          value,
        ]),
      );
    } else {
      const choices = bare instanceof z.ZodEnum ? ` (${bare.options.join(", ")})` : "";
      command.addOption(new Option(`${flag} <value>`, `${text}${choices}`));
    }
  }
  return command;
}

/** Parses flags. @throws InvalidArgumentError in one sentence with flag, bound and value. */
export function parseFlags<S extends z.ZodObject>(
  schema: S,
  flags: Record<string, unknown>,
): z.output<S> {
  const parsed = schema.safeParse(flags);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue.path[0] ?? "");
  const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new InvalidArgumentError(`${flag}: ${issue.message}, got ${String(flags[name])}`);
}
