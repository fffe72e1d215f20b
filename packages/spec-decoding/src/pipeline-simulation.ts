/** Times of one draft token, and of one forward of the target. */
export interface PipelineTimes {
  readonly draftTokens: number;
  readonly draftMs: number;
  readonly targetMs: number;
}

/** What a simulated generation took. */
export interface SimulatedPipeline {
  readonly tokens: number;
  readonly rounds: number;
  readonly ms: number;
}

/**
 * PEARL's rounds for a text of at least `tokens` tokens.
 *
 * @param accepts Whether the next tested token is accepted. @example simulatePearl(() => rng.bernoulli(0.8), 1000, { draftTokens: 4, draftMs: 10, targetMs: 40 })
 */
export function simulatePearl(
  accepts: () => boolean,
  tokens: number,
  { draftTokens, draftMs, targetMs }: PipelineTimes,
): SimulatedPipeline {
  const both = Math.max(targetMs, draftTokens * draftMs);
  let pending = 0;
  let emitted = 0;
  let rounds = 0;
  let ms = 0;
  while (emitted < tokens) {
    rounds++;
    if (pending === 0) {
      pending = accepts() ? draftTokens - 1 : 0;
      emitted++;
      ms += both;
      continue;
    }
    let accepted = 0;
    while (accepted < pending && accepts()) accepted++;
    const all = accepted === pending;
    emitted += all ? accepted : accepted + 1;
    ms += all ? both : targetMs;
    pending = all ? draftTokens : 0;
  }
  return { tokens: emitted, rounds, ms };
}

/**
 * DSI's epochs for a text of at least `tokens` tokens, with targets enough: the draft of every chunk and one target for the rejection, but never
 * more than a plain forward for each token. A chunk accepted whole is a round.
 */
export function simulateDsi(
  accepts: () => boolean,
  tokens: number,
  { draftTokens, draftMs, targetMs }: PipelineTimes,
): SimulatedPipeline {
  let emitted = 0;
  let rounds = 0;
  let ms = 0;
  while (emitted < tokens) {
    let fresh = 0;
    let spent = 0;
    let whole = true;
    while (whole && emitted + fresh < tokens) {
      rounds++;
      spent += draftTokens * draftMs;
      let accepted = 0;
      while (accepted < draftTokens && accepts()) accepted++;
      whole = accepted === draftTokens;
      fresh += whole ? accepted : accepted + 1;
    }
    emitted += fresh;
    ms += Math.min(fresh * targetMs, spent + targetMs);
  }
  return { tokens: emitted, rounds, ms };
}
