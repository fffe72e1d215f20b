/** The command that puts a model and a way of drafting through the checks of lossless.ts. */
import { createVerifier, drafterNames, encodePrompt } from "@veridraft/spec-decoding";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { benchPrompts } from "./bench-prompts.ts";
import { openTarget } from "./local.ts";
import { checkLossless, type Finding } from "./lossless.ts";
import { generateOptions, samplingOf } from "./options.ts";

const contents = Object.values(benchPrompts).flat();

export const checkLosslessOptions = generateOptions
  .pick({
    model: true,
    weights: true,
    device: true,
    cacheType: true,
    draftModel: true,
    coupling: true,
    numSpeculativeTokens: true,
    schedule: true,
    maxTreeNodes: true,
    verification: true,
    lantern: true,
    json: true,
  })
  .extend({
    drafter: z.enum(drafterNames).default("auto").describe("What proposes tokens."),
    maxTokens: z.int().min(2).max(4096).default(64).describe("Most tokens of a text."),
    prompts: z
      .int()
      .min(1)
      .max(contents.length)
      .default(contents.length)
      .describe("Texts for each check."),
    temperature: z.number().gt(0).default(1).describe("Of the sampled texts."),
    topP: generateOptions.shape.topP,
    topK: generateOptions.shape.topK,
    minP: generateOptions.shape.minP,
    repetitionPenalty: generateOptions.shape.repetitionPenalty,
  });
type CheckFlags = z.output<typeof checkLosslessOptions>;

/** `veridraft check-lossless`. */
export async function checkLosslessCommand(flags: CheckFlags): Promise<void> {
  const { drafter, coupling, numSpeculativeTokens, maxTokens, json } = flags;
  const { schedule, maxTreeNodes, verification, lantern } = flags;
  const { target, createDrafters, dispose } = await openTarget(flags);
  const drafters = createDrafters();
  try {
    const { model, tokenizer, exact, exactTrees: branching, costs } = target;
    const findings = await checkLossless(
      {
        model,
        prompts: contents
          .slice(0, flags.prompts)
          .map((content) => encodePrompt(target, [{ role: "user", content }])),
        draft: (sampling, tied) => drafters.create(drafter, { sampling, coupling: tied }),
        sampling: samplingOf(flags),
        options: {
          maxTokens,
          coupling,
          branching,
          costs,
          numSpeculativeTokens,
          schedule,
          maxTreeNodes,
          verifier: createVerifier(verification, lantern),
          stopIds: [...tokenizer.endIds],
        },
      },
      (done) => process.stderr.write(`${done}\n`),
    );
    const lossless = findings.every(({ holds }) => holds);
    const verdict = `${lossless ? "Lossless" : "NOT lossless"}: ${drafter}, ${coupling} coupling; logits ${exact ? "are" : "are not"} bitwise independent of chunking here.`;
    process.stdout.write(
      json
        ? `${JSON.stringify({ lossless, exact, findings })}\n`
        : `${report(findings)}\n\n${verdict}\n`,
    );
    if (!lossless) process.exitCode = 1;
  } finally {
    await dispose();
  }
}

function report(findings: readonly Finding[]): string {
  const lines = findings.map(({ property, found, holds }) => [
    property,
    holds ? "holds" : "FAILS",
    found,
  ]);
  return markdownTable([["property", "", "found"], ...lines]);
}
