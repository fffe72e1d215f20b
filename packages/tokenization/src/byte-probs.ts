/**
 * Byte laws of a token model: a beam over all encodings of the bytes so far, each with a place in the trie of what its next token can be.
 *
 * GenLM, genlm-bytes (GitHub, 2025); the cover sum of Phan et al., "Exact Byte-Level Probabilities from Tokenized Language Models for FIM-Tasks and Model
 * Ensembles", 2024, arXiv:2410.09303, is the case of canonical encodings (see byte-covers.ts).
 *
 * A hypothesis is a history of whole tokens h with the law after it, and a node n: the bytes of the token under way. Its weight is P(h) times the mass of
 * the tokens below n. A byte moves every hypothesis to a child; P(bytes so far) is the sum of the weights. One whose node is a whole token t splits:
 * t joins a history of its own (a forward of the model, node = root), longer tokens stay. The law of the next byte adds up what the children weigh.
 * With no bound on the beam all encodings are summed; a bound keeps the heaviest. Where a byte empties the beam, the best hypothesis is healed: its
 * unfinished bytes are committed as shorter tokens.
 *
 * Departures: hypotheses and their splits compete for one bound, before the forwards that splits need (the authors prune after them); tokens of equal
 * bytes are separate histories (an error there); a filter of encodings may be given.
 */
import {
  DegenerateDistributionError,
  InvalidArgumentError,
  type LanguageModel,
  logSumExp,
  type Rng,
  row,
  type Sequence,
  softmax,
} from "@veridraft/core-probs";
import type { Allowed } from "./byte-covers.ts";
import { byteSymbols, type ByteSource, endOfBytes, normalizeInPlace } from "./byte-source.ts";
import type { ByteTrie, TrieNode } from "./byte-trie.ts";

export interface ByteBeamOptions {
  /** Most hypotheses; a byte costs up to as many forwards. Default 8; Infinity with threshold 0 is exact. */
  readonly beam?: number;
  /** Hypotheses of less than this share of P(bytes so far) are dropped, which leaves one or two forwards a byte. Default 0.001. */
  readonly threshold?: number;
  /** Encodings that count, as `canonicalSequences` gives them; checked for every token after every history. Default: all. */
  readonly allowed?: Allowed;
}

type Settings = Required<Omit<ByteBeamOptions, "allowed">> & Pick<ByteBeamOptions, "allowed">;

interface Hypothesis {
  /** Holds the context and `ids`. */
  readonly sequence: Sequence;
  readonly ids: readonly number[];
  /** ln P(ids | context). */
  readonly logProb: number;
  /** The law after `ids`; what the filter excludes is 0. */
  readonly probs: Float32Array;
  /** Of the unfinished token. Tokens that end here are not its own: they are other hypotheses. */
  readonly node: TrieNode;
}

/** A hypothesis before its forward: `id` is to be added to the history of `from`, or null where `from` stays as it is. */
interface Candidate {
  readonly from: Hypothesis;
  readonly id: number | null;
  readonly weight: number;
}

/** Bytes after a context. Frees its sequences with `dispose`. */
export class ByteBeam implements ByteSource {
  readonly #trie: ByteTrie;
  readonly #options: Settings;
  #hypotheses: Hypothesis[];
  #logProb = 0;

  private constructor(trie: ByteTrie, options: Settings, hypotheses: Hypothesis[]) {
    this.#trie = trie;
    this.#options = options;
    this.#hypotheses = hypotheses;
  }

  /**
   * Starts before the first byte.
   *
   * @param context Ids that the bytes come after, at least one: the encoding of a text up to a boundary that no token crosses (see `cutPrompt`), or BOS.
   * @throws InvalidArgumentError for an empty context, a beam below 1 or a threshold outside [0, 1).
   */
  static async open(
    model: LanguageModel,
    trie: ByteTrie,
    context: ArrayLike<number>,
    { beam = 8, threshold = 0.001, allowed }: ByteBeamOptions = {},
  ): Promise<ByteBeam> {
    if (context.length === 0) {
      throw new InvalidArgumentError("ByteBeam: needs at least 1 id as context, got 0");
    }
    if (!(beam >= 1)) throw new InvalidArgumentError(`ByteBeam: beam must be >= 1, got ${beam}`);
    if (!(threshold >= 0 && threshold < 1)) {
      throw new InvalidArgumentError(`ByteBeam: threshold must be in [0, 1), got ${threshold}`);
    }
    const options = { beam, threshold, allowed };
    const sequence = await model.open();
    const start = await run(trie, options, { sequence, ids: [], logProb: 0, added: context });
    return new ByteBeam(trie, options, [start]);
  }

  /** ln P(the bytes so far | context); a lower bound where something was dropped. */
  get logProb(): number {
    return this.#logProb;
  }

  /** Tokens of each history and the bytes of its unfinished token, heaviest first. */
  get hypotheses(): { ids: readonly number[]; unfinished: Uint8Array }[] {
    return this.#hypotheses.map(({ ids, node }) => ({ ids, unfinished: this.#bytesOf(node) }));
  }

  /** @throws DegenerateDistributionError where no byte and no end has any mass. */
  next(): Float64Array {
    const masses = new Float64Array(byteSymbols);
    for (const { logProb, probs, node } of this.#hypotheses) {
      const scale = Math.exp(logProb - this.#logProb);
      this.#trie.addMasses(node, probs, scale, masses);
      if (node.depth > 0) continue;
      for (const id of this.#trie.endIds) masses[endOfBytes] += scale * (probs[id] ?? 0);
    }
    return normalizeInPlace("ByteBeam.next", masses);
  }

  /** @throws DegenerateDistributionError where no token goes on with `byte`; the beam is as it was. */
  async advance(byte: number): Promise<void> {
    if (!(Number.isInteger(byte) && byte >= 0 && byte < 256)) {
      throw new InvalidArgumentError(`ByteBeam.advance: byte must be in [0, 256), got ${byte}`);
    }
    const moved = this.#hypotheses.flatMap((hypothesis) => {
      const node = this.#trie.child(hypothesis.node, byte);
      return node && this.#mass(hypothesis.probs, node) > 0 ? [{ ...hypothesis, node }] : [];
    });
    if (moved.length === 0) {
      moved.push(await this.#heal(byte));
      this.#replace(moved);
    }
    this.#logProb = logSumExp(
      moved.map(({ logProb, probs, node }) => logProb + Math.log(this.#mass(probs, node))),
    );
    const kept = this.#best(moved.flatMap((hypothesis) => this.#split(hypothesis)));
    const hypotheses = await Promise.all(
      kept.map(({ from, id }) => (id === null ? from : this.#commit(from, id))),
    );
    this.#replace(hypotheses);
  }

  /** A second beam at the same place; both must be disposed. */
  fork(): ByteBeam {
    const copies = this.#hypotheses.map((one) => ({ ...one, sequence: one.sequence.fork() }));
    const copy = new ByteBeam(this.#trie, this.#options, copies);
    copy.#logProb = this.#logProb;
    return copy;
  }

  /**
   * Draws a cover of the bytes so far: ids after the context, whose text goes on beyond the bytes where the last token does. To go on from there token by
   * token is to sample bytes, as fast as plain decoding.
   */
  drawTokens(rng: Rng): Int32Array {
    const weights = this.#hypotheses.map(
      ({ logProb, probs, node }) =>
        Math.exp(logProb - this.#logProb) * (node.depth === 0 ? 1 : this.#longer(probs, node)),
    );
    const { ids, probs, node } = this.#hypotheses[rng.categorical(weights)];
    if (node.depth === 0) return Int32Array.from(ids);
    const places = this.#trie.ids.subarray(this.#trie.endOfWhole(node), node.end);
    const last = places[rng.categorical(Float64Array.from(places, (id) => probs[id] ?? 0))];
    return Int32Array.of(...ids, last);
  }

  dispose(): void {
    this.#replace([]);
  }

  #mass(probs: Float32Array, { start, end }: TrieNode): number {
    return this.#trie.mass(start, end, probs);
  }

  /** Mass of the tokens that go on after `node`. */
  #longer(probs: Float32Array, node: TrieNode): number {
    return this.#trie.mass(this.#trie.endOfWhole(node), node.end, probs);
  }

  #bytesOf({ start, depth }: TrieNode): Uint8Array {
    return this.#trie.tokenBytes(this.#trie.ids[start]).subarray(0, depth);
  }

  /** A hypothesis without the tokens that end at its node, and one for each of those. */
  #split(from: Hypothesis): Candidate[] {
    const { logProb, probs, node } = from;
    const ends = this.#trie.ids.subarray(node.start, this.#trie.endOfWhole(node));
    const candidates: Candidate[] = [
      { from, id: null, weight: logProb + Math.log(this.#longer(probs, node)) },
    ];
    for (const id of ends) candidates.push({ from, id, weight: logProb + Math.log(probs[id]) });
    return candidates.filter(({ weight }) => weight > -Infinity);
  }

  #best(candidates: Candidate[]): Candidate[] {
    const { beam, threshold } = this.#options;
    const least = this.#logProb + Math.log(threshold);
    return candidates
      .toSorted((a, b) => b.weight - a.weight)
      .filter(({ weight }, place) => place === 0 || (place < beam && weight > least));
  }

  #commit({ sequence, ids, logProb, probs }: Hypothesis, id: number): Promise<Hypothesis> {
    return run(this.#trie, this.#options, {
      sequence: sequence.fork(),
      ids: [...ids, id],
      logProb: logProb + Math.log(probs[id]),
      added: [id],
    });
  }

  /** The best hypothesis with its unfinished bytes as shorter tokens, so that `byte` can follow. */
  async #heal(byte: number): Promise<Hypothesis> {
    const [best] = this.#hypotheses;
    let hypothesis = best;
    let bytes = Uint8Array.of(...this.#bytesOf(best.node), byte);
    for (;;) {
      const node = this.#trie.find(bytes);
      if (node && this.#mass(hypothesis.probs, node) > 0) return { ...hypothesis, node };
      const id = this.#longestPrefix(hypothesis.probs, bytes.subarray(0, -1));
      // oxlint-disable-next-line no-await-in-loop -- each token decides what the next one can be
      const longer = id === undefined ? undefined : await this.#commit(hypothesis, id);
      if (hypothesis !== best) hypothesis.sequence.dispose();
      if (longer === undefined) {
        throw new DegenerateDistributionError(
          `ByteBeam.advance: no token goes on with byte ${byte} here`,
        );
      }
      hypothesis = longer;
      bytes = bytes.subarray(this.#trie.tokenBytes(longer.ids[longer.ids.length - 1]).length);
    }
  }

  /** The longest token that `bytes` begin with, among those of positive probability. */
  #longestPrefix(probs: Float32Array, bytes: Uint8Array): number | undefined {
    for (let length = bytes.length; length > 0; length--) {
      const node = this.#trie.find(bytes.subarray(0, length));
      if (!node) continue;
      const ids = this.#trie.ids.subarray(node.start, this.#trie.endOfWhole(node));
      const id = ids.find((one) => probs[one] > 0);
      if (id !== undefined) return id;
    }
    return undefined;
  }

  #replace(hypotheses: Hypothesis[]): void {
    const kept = new Set(hypotheses.map(({ sequence }) => sequence));
    for (const { sequence } of this.#hypotheses) if (!kept.has(sequence)) sequence.dispose();
    this.#hypotheses = hypotheses;
  }
}

/** Runs `added` and stands at the root after it. */
async function run(
  trie: ByteTrie,
  { allowed }: Settings,
  history: Pick<Hypothesis, "sequence" | "ids" | "logProb"> & { added: ArrayLike<number> },
): Promise<Hypothesis> {
  const { sequence, ids, logProb, added } = history;
  const logits = await sequence.forward(added, { rows: "last" });
  sequence.commit(added.length);
  const probs = softmax(row(logits, 0));
  if (allowed) {
    for (const id of trie.ids) if (probs[id] > 0 && !allowed([...ids, id])) probs[id] = 0;
  }
  return { sequence, ids, logProb, probs, node: trie.root };
}
