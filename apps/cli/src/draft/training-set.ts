/** The anchors of a training, as batches, and those that are kept apart to see how well a head guesses. */
import type { HostTensor } from "@veridraft/autodiff";
import { argmax } from "@veridraft/core-probs";
import type { TokenTable } from "@veridraft/engine-onnx";
import { type HeadBatch, unroll } from "@veridraft/spec-decoding/training";
import { type FeatureRecord, type Features, likeliest, type Segment } from "./features.ts";

/** One conversation in so many, a greedy one, is not trained on. */
const devShare = 40;

/** A place that drafts begin at: the record of its hidden states, and how many records of its conversation come after it. */
interface Anchor {
  readonly record: number;
  readonly after: number;
}

export class TrainingSet {
  /** The draft vocabulary, ascending. */
  readonly ids: Int32Array;
  private readonly features: Features;
  private readonly embedding: TokenTable;
  private readonly places: ReadonlyMap<number, number>;

  private constructor(features: Features, embedding: TokenTable, ids: Int32Array) {
    this.features = features;
    this.embedding = embedding;
    this.ids = ids;
    this.places = new Map(Array.from(ids, (id, place) => [id, place]));
  }

  /** @param vocabulary Tokens that a head can say: those with the most probability in the target's laws. */
  static async of(
    features: Features,
    embedding: TokenTable,
    vocabulary: number,
  ): Promise<TrainingSet> {
    const liked = new Float64Array(embedding.vocabSize);
    for (const each of features.segments) {
      if (isDev(each)) continue;
      // oxlint-disable-next-line no-await-in-loop -- a conversation at a time is in memory
      for (const { ids, probs } of await features.read(each.start, each.count)) {
        ids.forEach((id, i) => (liked[id] += probs[i]));
      }
    }
    const ids = Int32Array.from(liked.keys())
      .toSorted((a, b) => liked[b] - liked[a] || a - b)
      .slice(0, vocabulary)
      .toSorted();
    return new TrainingSet(features, embedding, ids);
  }

  get tapWidth(): number {
    return this.features.tapWidth;
  }

  /**
   * Runs of `size` anchors that follow each other in a text; the last one of a text may share some with the one before. Texts that are shorter have none.
   *
   * @param dev Those that are kept apart.
   */
  units(size: number, dev = false): readonly (readonly Anchor[])[] {
    return this.features.segments
      .filter((each) => isDev(each) === dev)
      .flatMap((each) => {
        const anchors = anchorsOf(each);
        const starts = Array.from({ length: Math.ceil(anchors.length / size) }, (_, i) =>
          Math.min(i * size, anchors.length - size),
        );
        return starts
          .filter((start) => start >= 0)
          .map((start) => anchors.slice(start, start + size));
      });
  }

  async batchOf(anchors: readonly Anchor[]): Promise<HeadBatch<HostTensor>> {
    const { tapWidth } = this.features;
    const taps = new Float32Array(anchors.length * tapWidth);
    const read = new Int32Array(anchors.length * unroll);
    const said = new Int32Array(anchors.length * unroll * likeliest);
    const probs = new Float32Array(said.length);
    const rows = await Promise.all(
      anchors.map(({ record, after }) => this.features.read(record, 1 + Math.min(after, unroll))),
    );
    rows.forEach(([anchor, ...next], i) => {
      taps.set(anchor.taps, i * tapWidth);
      next.forEach((record, j) => {
        read[i * unroll + j] = record.token;
        this.fill(record, (i * unroll + j) * likeliest, said, probs);
      });
    });
    const shape = [anchors.length, unroll, likeliest];
    return {
      taps: { data: taps, shape: [anchors.length, tapWidth] },
      tokens: {
        data: this.embedding.rows(read),
        shape: [anchors.length, unroll, this.embedding.width],
      },
      places: { data: said, shape },
      probs: { data: probs, shape },
    };
  }

  /** What the target says at a record, in places of the draft vocabulary. */
  private fill(record: FeatureRecord, at: number, said: Int32Array, probs: Float32Array): void {
    record.ids.forEach((id, k) => {
      const place = this.places.get(id);
      if (place === undefined) return;
      said[at + k] = place;
      probs[at + k] = record.probs[k];
    });
  }

  /**
   * How often a head guesses the argmax of the target after the anchors that are kept apart: the first token, and each further one where those before are right.
   *
   * @param window Anchors of a unit. @param size Units of a batch. @param guess The logits of each step.
   */
  async accuracy(
    window: number,
    size: number,
    guess: (batch: HeadBatch<HostTensor>) => Promise<readonly HostTensor[]>,
  ): Promise<readonly number[]> {
    const right = Array.from({ length: unroll }, () => 0);
    const tested = Array.from({ length: unroll }, () => 0);
    const n = this.ids.length;
    const units = this.units(window, true);
    for (let from = 0; from < units.length; from += size) {
      const anchors = units.slice(from, from + size).flat();
      // oxlint-disable-next-line no-await-in-loop -- one batch at a time is in memory
      const batch = await this.batchOf(anchors);
      // oxlint-disable-next-line no-await-in-loop -- runs share one session
      const steps = await guess(batch);
      anchors.forEach(({ after }, i) => {
        for (let j = 0; j < Math.min(after, unroll); j++) {
          // The likeliest comes first; one that the head cannot say has probability 0.
          const at = (i * unroll + j) * likeliest;
          const logits = steps[j].data.subarray(i * n, (i + 1) * n) as Float32Array;
          tested[j]++;
          if (!(batch.probs.data[at] > 0) || batch.places.data[at] !== argmax(logits)) break;
          right[j]++;
        }
      });
    }
    return right.map((count, j) => count / Math.max(1, tested[j]));
  }
}

function isDev({ index }: Segment): boolean {
  return index % devShare === 0;
}

function anchorsOf({ start, count }: Segment): Anchor[] {
  return Array.from({ length: count - 1 }, (_, i) => ({ record: start + i, after: count - 1 - i }));
}
