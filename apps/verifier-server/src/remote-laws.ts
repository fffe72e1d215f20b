/** A model of a verifier server as a source of laws: one stream a text, which sends what is new of it and gets the laws after it. */
import { decodeFloat32, decodeInt32, encodeUint32, RpcError } from "@veridraft/rpc";
import type { BidiCall, VerifierClient } from "@veridraft/rpc/client";
import {
  Coupling,
  type LawHead as WireLawHead,
  type PredictRequest,
  type PredictResponse,
} from "@veridraft/rpc/verifier";
import type {
  LawHead,
  LawModel,
  LawOptions,
  LawSequence,
  NextLaws,
} from "@veridraft/spec-decoding";

/**
 * The model of a verifier server, for `rsdTrace`. A text that fails throws RpcError: FAILED_PRECONDITION for another tokenizer, INVALID_ARGUMENT for more
 * than 64 tokens a law, UNAVAILABLE for a server that is gone, DATA_LOSS for an answer that is no law. It is not opened again.
 *
 * @param tokenizerSha256 Of the ids that are sent. @param client Stays the caller's.
 */
export function createRemoteLawModel(client: VerifierClient, tokenizerSha256: string): LawModel {
  return {
    openLaws: async (options) => new RemoteLaws(client, tokenizerSha256, options),
  };
}

class RemoteLaws implements LawSequence {
  readonly #call: BidiCall<PredictRequest, PredictResponse>;
  readonly #answers: AsyncIterator<PredictResponse>;
  readonly #tokenizerSha256: string;
  readonly #options: LawOptions;
  #sent = 0;

  constructor(client: VerifierClient, tokenizerSha256: string, options: LawOptions) {
    this.#call = client.predict({ timeoutMs: Infinity });
    this.#answers = this.#call.responses[Symbol.asyncIterator]();
    this.#tokenizerSha256 = tokenizerSha256;
    this.#options = options;
  }

  async after(ids: readonly number[], signal?: AbortSignal): Promise<NextLaws> {
    signal?.throwIfAborted();
    const cancel = (): void => this.#call.cancel();
    signal?.addEventListener("abort", cancel);
    try {
      // A stream that has ended says why where its answer is read.
      this.#call.send(this.#request(ids)).catch(() => {});
      this.#sent = ids.length;
      const { done, value } = await this.#answers.next();
      if (done) throw new RpcError("UNAVAILABLE", "the verifier has ended the stream");
      return {
        processed: readHead(value.processed, this.#options),
        raw: readHead(value.raw, this.#options),
      };
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  dispose(): void {
    this.#call.cancel();
  }

  #request(ids: readonly number[]): PredictRequest {
    const fresh = encodeUint32(ids.slice(this.#sent));
    if (this.#sent > 0) return { request: { $case: "commit", value: { ids: fresh } } };
    const { sampling, top } = this.#options;
    const value = {
      tokenizerSha256: this.#tokenizerSha256,
      ids: fresh,
      sampling: { ...sampling, coupling: Coupling.COUPLING_UNSPECIFIED },
      top,
    };
    return { request: { $case: "open", value } };
  }
}

/** @throws RpcError DATA_LOSS where it is not the head of a law. */
function readHead(head: WireLawHead | undefined, { top }: LawOptions): LawHead {
  try {
    const ids = decodeInt32(head?.ids ?? new Uint8Array(), "law.ids", top);
    const probs = decodeFloat32(head?.probs ?? new Uint8Array(), "law.probs", top);
    const ascending = ids.every((id, j) => id > (j === 0 ? -1 : ids[j - 1]));
    const likely = probs.every((mass) => mass > 0 && mass <= 1);
    if (ids.length > 0 && ids.length === probs.length && ascending && likely) return { ids, probs };
    throw new Error(`${ids.length} ids and ${probs.length} probabilities`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RpcError("DATA_LOSS", `the verifier sent what is no law: ${reason}`, { cause });
  }
}
