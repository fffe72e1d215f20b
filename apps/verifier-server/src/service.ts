/** The verifier service: text in, text out, each generation drafted by a stream of its own to the draft server. */
import { ContextLengthError, createRng, scoreTokens } from "@veridraft/core-probs";
import type { LoadedModel } from "@veridraft/engine-onnx";
import { encodeFloat64, encodeUint32, invalidField, RpcError } from "@veridraft/rpc";
import type { DraftClient } from "@veridraft/rpc/client";
import { service, type Service } from "@veridraft/rpc/server";
import {
  type GenerateResponse,
  type ModelInfo,
  VerifierServiceService,
} from "@veridraft/rpc/verifier";
import {
  Calibration,
  createLawModel,
  encodePrompt,
  generateText,
  type LawSequence,
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
import { createRemoteDrafter, Outage, type RemoteDrafter } from "./remote-drafter.ts";

/** What the service is made of. */
export interface VerifierServiceOptions {
  readonly target: LoadedModel;
  readonly info: ModelInfo;
  /** Null drafts nothing. */
  readonly draftClient: DraftClient | null;
  readonly roundTimeoutMs: number;
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
        const drafter = await openDrafter(options, generation, ids, outage);
        const key = drafter?.name ?? "none";
        const calibration = calibrations.get(key) ?? new Calibration();
        calibrations.set(key, calibration);
        const { prompt, seed, coupling, ...rest } = generation;
        const steps = generateText(target, prompt, {
          ...rest,
          key: createRng(seed),
          coupling,
          drafter,
          branching: target.exactTrees,
          costs: target.costs,
          calibration,
          signal,
        });
        for (;;) {
          const { done, value } = await steps.next();
          if (done) {
            const finished = writeFinished(value, seed, fingerprint, drafter?.missedRounds ?? 0);
            yield { response: { $case: "finished", value: finished } };
            return;
          }
          const { text, logProbs = [] } = value;
          const chunk = { text, ids: [...value.ids], logProbs: logProbs.map(writeLogProb) };
          yield { response: { $case: "chunk", value: chunk } } satisfies GenerateResponse;
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

/** The drafter of a generation; null where nothing is drafted. @throws RpcError where the draft server refuses the generation. */
async function openDrafter(
  { info, draftClient, roundTimeoutMs }: VerifierServiceOptions,
  { drafter, sampling, coupling, seed }: Generation,
  ids: Int32Array,
  outage: Outage,
): Promise<RemoteDrafter | null> {
  if (drafter === "none") return null;
  if (!draftClient) {
    if (drafter === "") return null;
    throw new RpcError(
      "FAILED_PRECONDITION",
      `speculation.drafter: ${drafter.slice(0, 64)} needs a draft server, and this verifier has none`,
    );
  }
  const remote = createRemoteDrafter(draftClient, {
    tokenizerSha256: info.tokenizerSha256,
    vocabSize: info.vocabSize,
    drafter,
    sampling,
    coupling,
    seed,
    roundTimeoutMs,
    outage,
  });
  try {
    await remote.open(ids);
    return remote;
  } catch (error) {
    remote.dispose();
    throw error;
  }
}
