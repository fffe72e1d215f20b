/** The verifier service: text in, text out, each generation drafted by a stream of its own to the draft server. */
import { ContextLengthError, createRng, scoreTokens } from "@veridraft/core-probs";
import type { LoadedModel } from "@veridraft/engine-onnx";
import { encodeFloat64, encodeUint32, invalidField } from "@veridraft/rpc";
import { service, type Service } from "@veridraft/rpc/server";
import { type GenerateResponse, VerifierServiceService } from "@veridraft/rpc/verifier";
import {
  Calibration,
  createLawModel,
  encodePrompt,
  generateText,
  type LawSequence,
  streamText,
  type TextStep,
  type TextSummary,
} from "@veridraft/spec-decoding";
import {
  type Generation,
  readGenerate,
  readPredictCommit,
  readPredictOpen,
  writeFinished,
  writeLogProb,
  writePrediction,
} from "./convert.ts";
import { generatePipelined, type Pipelining } from "./pipelined-generation.ts";
import { Outage } from "./remote-drafter.ts";
import { type DraftSource, openDrafts, type RemoteDrafts } from "./remote-drafts.ts";

/** What the service is made of. */
export interface VerifierServiceOptions extends DraftSource {
  readonly target: LoadedModel;
  readonly pipelining: Pipelining;
  /** Told once for each outage of the draft server. */
  readonly warn: (message: string) => void;
}

/** The verifier service over a model. */
export function verifierService(options: VerifierServiceOptions): Service {
  const { target, info } = options;
  const { tokenizer, model } = target;
  const outage = new Outage(options.warn);
  const calibrations = new Map<string, Calibration>();
  const fingerprint = `${info.name} ${info.weights} ${info.engine}${info.exact ? " exact" : ""}`;
  return service(
    VerifierServiceService,
    {
      async *generate(request, { signal }) {
        const generation = readGenerate(request);
        const ids = encodePrompt(target, generation.prompt);
        if (ids.length >= model.contextLength) {
          throw new ContextLengthError(
            `prompt: ${ids.length} tokens leave no room in a context of ${model.contextLength}`,
          );
        }
        const drafts = await openDrafts(options, generation, ids, outage);
        const steps = openSteps(options, calibrations, generation, ids, drafts, signal);
        try {
          for (;;) {
            // oxlint-disable-next-line no-await-in-loop -- a step follows the one before it
            const { done, value } = await steps.next();
            if (done) {
              const missed = drafts?.missedRounds() ?? 0;
              const finished = writeFinished(value, generation.seed, fingerprint, missed);
              yield { response: { $case: "finished", value: finished } };
              return;
            }
            const { text, logProbs = [] } = value;
            const chunk = { text, ids: [...value.ids], logProbs: logProbs.map(writeLogProb) };
            yield { response: { $case: "chunk", value: chunk } } satisfies GenerateResponse;
          }
        } finally {
          // A reader that leaves between two steps leaves them here.
          await steps.return({} as TextSummary);
        }
      },
      async score({ text }, { signal }) {
        const ids = tokenizer.encode(text);
        const logProbs = await scoreTokens(model, ids, { signal });
        return { ids: encodeUint32(ids), logProbs: encodeFloat64(logProbs) };
      },
      async *predict(requests, { signal }) {
        let sequence: LawSequence | null = null;
        const text: number[] = [];
        try {
          for await (const request of requests) {
            if (sequence) {
              text.push(...readPredictCommit(request, info, text.length));
            } else {
              const { ids, ...laws } = readPredictOpen(request, info);
              text.push(...ids);
              sequence = await createLawModel(model).openLaws(laws);
            }
            yield writePrediction(await sequence.after(text, signal));
          }
        } finally {
          sequence?.dispose();
        }
      },
      async tokenize({ text }) {
        const ids = Array.from(tokenizer.encode(text));
        return { ids, pieces: ids.map((id) => Buffer.from(tokenizer.tokenBytes(id))) };
      },
      async detokenize({ ids }) {
        const wrong = ids.find((id) => id >= tokenizer.vocabSize);
        if (wrong !== undefined) {
          throw invalidField("ids", `must be in [0, ${tokenizer.vocabSize}), got ${wrong}`);
        }
        return { text: tokenizer.decode(ids) };
      },
      getModelInfo: async () => ({ model: info }),
    },
    ["getModelInfo"],
  );
}

/** The steps of a generation: by the loop, or drafted while verified where the server is set so and the request asks for nothing that only the loop does. */
function openSteps(
  { target, pipelining }: VerifierServiceOptions,
  calibrations: Map<string, Calibration>,
  generation: Generation,
  ids: Int32Array,
  drafts: RemoteDrafts | null,
  signal: AbortSignal,
): AsyncGenerator<TextStep, TextSummary, void> {
  const { prompt, seed, coupling, ...rest } = generation;
  const { model, tokenizer } = target;
  const looped = generation.logProbs !== undefined || generation.verifier !== undefined;
  if (drafts && pipelining !== "none" && !looped) {
    const stopIds = [...tokenizer.endIds];
    const pipelined = { mode: pipelining, model, ids, generation, stopIds, drafts, signal };
    return streamText(generatePipelined(pipelined), tokenizer, ids.length, generation.stop);
  }
  const key = drafts?.first.name ?? "none";
  const calibration = calibrations.get(key) ?? new Calibration();
  calibrations.set(key, calibration);
  return generateText(target, prompt, {
    ...rest,
    key: createRng(seed),
    coupling,
    drafter: drafts?.first ?? null,
    branching: target.exactTrees,
    costs: target.costs,
    calibration,
    signal,
  });
}
