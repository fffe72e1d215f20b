import type { Step, Summary } from "./generate.ts";
import type { PipelineRound } from "./pipelined.ts";
import type { Statistics } from "./statistics.ts";

/**
 * The rounds of `pearl` or `dsi` as the steps of `generate`, for whatever reads those. A draft counts as proposed when it is tested; the forward of the
 * prompt is a round, too, and no time is spent waiting for drafts that the target's does not hide: all of it is `verifyMs`.
 *
 * @param drafter Its name, asked after each round.
 */
export async function* pipelineSteps(
  rounds: AsyncGenerator<PipelineRound, readonly number[], void>,
  drafter: () => string,
): AsyncGenerator<Step, Summary, void> {
  let [count, proposed, accepted, verifyMs] = [0, 0, 0, 0];
  const acceptedAt: number[] = [];
  let stopId: number | null = null;
  const statistics = (): Statistics => ({
    drafter: drafter(),
    lossless: true,
    rounds: count,
    proposed,
    evaluated: proposed,
    accepted,
    acceptedAt: [...acceptedAt],
    meanAcceptanceLength: 1 + accepted / Math.max(1, count),
    acceptanceRate: accepted / Math.max(1, proposed),
    undraftedRounds: 0,
    lastDraftError: null,
    prefillMs: 0,
    draftMs: 0,
    verifyMs,
  });
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- rounds come one after the other
      const { done, value } = await rounds.next();
      if (done) {
        const finishReason = stopId === null ? "length" : "stop";
        return { finishReason, stopId, ids: value, statistics: statistics() };
      }
      count++;
      proposed += value.tested;
      accepted += value.accepted;
      verifyMs += value.ms;
      for (let d = 0; d < value.accepted; d++) acceptedAt[d] = (acceptedAt[d] ?? 0) + 1;
      ({ stopId } = value);
      if (value.ids.length === 0) continue;
      const { ids, tested, ms } = value;
      const step = { ids, proposed: tested, draftMs: 0, verifyMs: ms, statistics: statistics() };
      yield { ...step, accepted: Math.min(value.accepted, ids.length) };
    }
  } finally {
    await rounds.return([]);
  }
}
