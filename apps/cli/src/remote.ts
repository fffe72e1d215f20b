import { createVerifierClient } from "@veridraft/rpc/client";
import {
  Coupling,
  type Finished,
  FinishReason,
  type GenerateRequest,
} from "@veridraft/rpc/verifier";
import type { TokenLogProb } from "@veridraft/spec-decoding";
import type { Generated, GenerationRequest, Generator } from "./generator.ts";
import { alternatives, samplingOf } from "./options.ts";

/** Dials a verifier server, which generates with its own model. */
export function openRemote(address: string): Generator {
  const client = createVerifierClient(address);
  return {
    async generate(request) {
      let text = "";
      const ids: number[] = [];
      const logProbs: TokenLogProb[] = [];
      const { signal, onText } = request;
      for await (const { response } of client.generate(writeRequest(request), { signal })) {
        if (response?.$case === "chunk") {
          text += response.value.text;
          ids.push(...response.value.ids);
          logProbs.push(...response.value.logProbs);
          onText(response.value.text);
        } else if (response?.$case === "finished") {
          return { text, ids, logProbs, ...readFinished(response.value) };
        }
      }
      throw new Error("the server ended the stream without saying how the text ended");
    },
    async pieces(ids) {
      const texts = await Promise.all(ids.map((id) => client.detokenize({ ids: [id] })));
      return texts.map(({ text }) => text);
    },
    dispose: async () => client.close(),
  };
}

function readFinished(finished: Finished): Pick<Generated, "finishReason" | "usage" | "stats"> {
  const { reason, usage, stats, tokensPerSecond } = finished;
  const { rounds = 0, proposed = 0, accepted = 0, drafter = "", lossless = true } = stats ?? {};
  const { promptTokens = 0, completionTokens = 0 } = usage ?? {};
  const meanAcceptanceLength = stats?.meanAcceptanceLength ?? 1;
  return {
    finishReason: reason === FinishReason.FINISH_REASON_STOP ? "stop" : "length",
    usage: { promptTokens, completionTokens },
    stats: { rounds, proposed, accepted, meanAcceptanceLength, drafter, lossless, tokensPerSecond },
  };
}

function writeRequest({ prompt, flags, seed }: GenerationRequest): GenerateRequest {
  const { maxTokens, stop, drafter, numSpeculativeTokens = 0 } = flags;
  const { schedule, maxTreeNodes, confidenceThreshold, verification } = flags;
  const coupling =
    flags.coupling === "optimal" ? Coupling.COUPLING_OPTIMAL : Coupling.COUPLING_SEEDED;
  const top = alternatives(flags);
  return {
    prompt:
      typeof prompt === "string"
        ? { $case: "text", value: prompt }
        : { $case: "conversation", value: { messages: prompt.map((message) => ({ ...message })) } },
    sampling: { ...samplingOf(flags), seed: BigInt(seed), coupling },
    maxTokens,
    stop,
    speculation: {
      drafter,
      numSpeculativeTokens,
      schedule,
      maxTreeNodes,
      confidenceThreshold,
      verification,
    },
    ...(top !== undefined && { logProbs: { top } }),
  };
}
