/** The streams of one generation to the draft server: one, or one after another where a pipeline was cut back. */
import { RpcError } from "@veridraft/rpc";
import type { DraftClient } from "@veridraft/rpc/client";
import type { ModelInfo } from "@veridraft/rpc/verifier";
import type { Generation } from "./convert.ts";
import {
  createRemoteDrafter,
  type Outage,
  type RemoteDrafter,
  type TargetTaps,
} from "./remote-drafter.ts";

/** Where drafts come from. */
export interface DraftSource {
  readonly info: ModelInfo;
  /** Absent for a target that gives no hidden states. */
  readonly taps?: TargetTaps;
  /** Null drafts nothing. */
  readonly draftClient: DraftClient | null;
  readonly roundTimeoutMs: number;
}

/** The drafts of a generation. */
export interface RemoteDrafts {
  /** Open, where the draft server answered in time. */
  readonly first: RemoteDrafter;
  /** One more, not yet open. */
  next(): RemoteDrafter;
  /** Rounds that the draft server left without an answer, of all streams. */
  missedRounds(): number;
}

/** Opens the drafts of a generation; null where nothing is drafted. @throws RpcError where the draft server refuses the generation. */
export async function openDrafts(
  { info, taps, draftClient, roundTimeoutMs }: DraftSource,
  { drafter, sampling, coupling, seed }: Generation,
  ids: Int32Array,
  outage: Outage,
): Promise<RemoteDrafts | null> {
  if (drafter === "none") return null;
  if (!draftClient) {
    if (drafter === "") return null;
    throw new RpcError(
      "FAILED_PRECONDITION",
      `speculation.drafter: ${drafter.slice(0, 64)} needs a draft server, and this verifier has none`,
    );
  }
  const { tokenizerSha256, vocabSize } = info;
  const about = { tokenizerSha256, vocabSize, taps };
  const streams: RemoteDrafter[] = [];
  const next = (): RemoteDrafter => {
    const generation = { ...about, drafter, sampling, coupling, seed };
    const stream = createRemoteDrafter(draftClient, { ...generation, roundTimeoutMs, outage });
    streams.push(stream);
    return stream;
  };
  const first = next();
  try {
    await first.open(ids);
  } catch (error) {
    first.dispose();
    throw error;
  }
  return {
    first,
    next,
    missedRounds: () => streams.reduce((sum, stream) => sum + stream.missedRounds, 0),
  };
}
