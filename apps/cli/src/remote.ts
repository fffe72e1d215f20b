/** Generation by a verifier server: the same steps as in this process. */
import { createVerifierClient, type VerifierClient } from "@veridraft/rpc/client";
import {
  Coupling,
  type Finished,
  FinishReason,
  type GenerateRequest,
} from "@veridraft/rpc/verifier";
import type { ChatMessage } from "@veridraft/tokenization";
import type { GenerateFlags } from "./options.ts";

/** What a remote generation came to. */
export interface RemoteResult {
  readonly text: string;
  readonly ids: readonly number[];
  readonly logProbs: readonly number[];
  readonly finished: Finished;
}

/** Runs a generation and shows its text as it comes. @throws RpcError as the server says. */
export async function generateRemote(
  client: VerifierClient,
  prompt: string | readonly ChatMessage[],
  flags: GenerateFlags,
  seed: number,
  show: (text: string) => void,
  signal?: AbortSignal,
): Promise<RemoteResult> {
  let text = "";
  const ids: number[] = [];
  const logProbs: number[] = [];
  for await (const { response } of client.generate(writeRequest(prompt, flags, seed), { signal })) {
    if (response?.$case === "chunk") {
      text += response.value.text;
      ids.push(...response.value.ids);
      logProbs.push(...response.value.logProbs.map(({ raw }) => raw));
      show(response.value.text);
    } else if (response?.$case === "finished") {
      return { text, ids, logProbs, finished: response.value };
    }
  }
  throw new Error("the server ended the stream without saying how the text ended");
}

/** Dials a verifier, runs a task with the client and hangs up. */
export async function withVerifier<T>(
  address: string,
  task: (client: VerifierClient) => Promise<T>,
): Promise<T> {
  const client = createVerifierClient(address);
  try {
    return await task(client);
  } finally {
    client.close();
  }
}

/** The word that `--json` prints. */
export function reasonOf({ reason }: Finished): "stop" | "length" {
  return reason === FinishReason.FINISH_REASON_STOP ? "stop" : "length";
}

function writeRequest(
  prompt: string | readonly ChatMessage[],
  flags: GenerateFlags,
  seed: number,
): GenerateRequest {
  const { temperature, topK, topP, minP, repetitionPenalty, maxTokens, stop } = flags;
  const top = flags.logprobs ?? (flags.json ? 0 : undefined);
  return {
    prompt:
      typeof prompt === "string"
        ? { $case: "text", value: prompt }
        : { $case: "conversation", value: { messages: prompt.map((message) => ({ ...message })) } },
    sampling: {
      temperature,
      topK,
      topP,
      minP,
      repetitionPenalty,
      seed: BigInt(seed),
      coupling: flags.coupling === "optimal" ? Coupling.COUPLING_OPTIMAL : Coupling.COUPLING_SEEDED,
    },
    maxTokens,
    stop,
    speculation: {
      drafter: flags.drafter,
      numSpeculativeTokens: flags.numSpeculativeTokens ?? 0,
    },
    ...(top !== undefined && { logProbs: { top } }),
  };
}
