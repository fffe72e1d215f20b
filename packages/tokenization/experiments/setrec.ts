/**
 * A shop of 500 items of 20 kinds, a tenth of them new and known by their text alone: SETRec with all its tokens, with one kind of them, and items as
 * sequences of codes that a beam search spells. People walk between three kinds; popular items are bought more often.
 */
import { adamW, jit, train, valueAndGrad } from "@veridraft/autodiff";
import {
  initTransformer,
  languageModelLogits,
  type TransformerConfig,
  trainLanguageModel,
  type WindowBatch,
} from "@veridraft/autodiff/nn";
import { createRng, logSoftmax, type Rng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import {
  createRecommender,
  initSetRec,
  ndcgAtK,
  recallAtK,
  residualCodes,
  setRecBatches,
  type SetRecConfig,
  setRecConfig,
  setRecLoss,
} from "@veridraft/tokenization/setrec";

const items = 500;
const kinds = 20;
const history = 8;
const textWidth = 32;
const collaborativeWidth = 16;
const batch = 64;
const steps = 600;
const key = createRng(3);
const runner = createGraphRunner({ threads: 1 });
const world = key.at(0, "sample");

const kindOf = (item: number): number => item % kinds;
/** Two or three items of each kind. */
const isNew = (item: number): boolean => Math.floor(item / kinds) % 10 === 9;
const popularity = Float64Array.from({ length: items }, () => 1 / (1 + 20 * world.uniform()));
const membersOf = Array.from({ length: kinds }, (_, kind) =>
  Array.from({ length: items / kinds }, (_item, i) => i * kinds + kind),
);

/** Approximately normal. */
const gauss = (rng: Rng): number => {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += rng.uniform();
  return sum;
};
const centers = Array.from({ length: kinds }, () =>
  Float32Array.from({ length: textWidth }, () => gauss(world)),
);
const text = new Float32Array((items + 1) * textWidth);
for (let item = 0; item < items; item++) {
  for (let d = 0; d < textWidth; d++) {
    text[(item + 1) * textWidth + d] = centers[kindOf(item)][d] + 0.5 * gauss(world);
  }
}

/** A walk between three kinds, and at its end an item that is new or not. */
function walk(rng: Rng, endsNew: boolean): number[] {
  const own = Array.from({ length: 3 }, () => Math.floor(rng.uniform() * kinds));
  let at = 0;
  return Array.from({ length: history + 1 }, (_, i) => {
    if (rng.uniform() < 0.4) at = (at + 1) % 3;
    const last = i === history;
    const choice = membersOf[own[at]].filter((item) => isNew(item) === (last && endsNew));
    return choice[rng.categorical(choice.map((item) => popularity[item]))];
  });
}
const users = Array.from({ length: 2000 }, (_, user) => walk(key.at(user, "accept"), false));
const tests = Array.from({ length: 400 }, (_, user) =>
  walk(key.at(10_000 + user, "accept"), user % 2 === 1),
);
const validation = Array.from({ length: 200 }, (_, user) =>
  walk(key.at(20_000 + user, "accept"), user % 2 === 1),
);

/** The leading directions of how often items are in one walk, by repeated multiplication and orthogonalization. */
function collaborativeVectors(): Float32Array {
  const together = new Float64Array(items * items);
  for (const user of users) {
    for (const a of user) for (const b of user) if (a !== b) together[a * items + b]++;
  }
  const degree = Float64Array.from({ length: items }, (_, a) =>
    together.subarray(a * items, (a + 1) * items).reduce((sum, n) => sum + n, 0),
  );
  for (let a = 0; a < items; a++) {
    for (let b = 0; b < items; b++) {
      together[a * items + b] /= Math.sqrt((degree[a] || 1) * (degree[b] || 1));
    }
  }
  let basis: Float64Array[] = Array.from({ length: collaborativeWidth }, () =>
    Float64Array.from({ length: items }, () => gauss(world)),
  );
  for (let round = 0; round < 30; round++) {
    const done: Float64Array[] = [];
    for (const vector of basis) {
      const next = new Float64Array(items);
      for (let a = 0; a < items; a++) {
        for (let b = 0; b < items; b++) next[a] += together[a * items + b] * vector[b];
      }
      for (const other of done) {
        const overlap = next.reduce((sum, value, i) => sum + value * other[i], 0);
        for (let i = 0; i < items; i++) next[i] -= overlap * other[i];
      }
      const length = Math.hypot(...next);
      done.push(next.map((value) => value / length));
    }
    basis = done;
  }
  const vectors = new Float32Array((items + 1) * collaborativeWidth);
  for (let item = 0; item < items; item++) {
    for (let d = 0; d < collaborativeWidth; d++) {
      const scale = Math.sqrt(items);
      vectors[(item + 1) * collaborativeWidth + d] = isNew(item) ? 0 : scale * basis[d][item];
    }
  }
  return vectors;
}
const catalogue = {
  collaborative: { data: collaborativeVectors(), shape: [items + 1, collaborativeWidth] },
  text: { data: text, shape: [items + 1, textWidth] },
};

/** A ranking of all items, best first. */
type Rank = (
  known: readonly number[],
  only: ReadonlySet<number> | undefined,
) => Promise<ArrayLike<number>>;
const fresh = new Set(Array.from({ length: items }, (_, item) => item).filter(isNew));
const sold = new Set(
  Array.from({ length: items }, (_, item) => item).filter((item) => !isNew(item)),
);

async function recallOf(
  rank: Rank,
  walks: readonly number[][],
  only?: ReadonlySet<number>,
): Promise<{ recall: number; ndcg: number; ms: number }> {
  let recall = 0;
  let ndcg = 0;
  const begin = performance.now();
  for (const each of walks) {
    // oxlint-disable-next-line no-await-in-loop -- one request at a time
    const ranked = await rank(each.slice(0, history), only);
    recall += recallAtK(ranked, new Set([each[history]]), 10) / walks.length;
    ndcg += ndcgAtK(ranked, new Set([each[history]]), 10) / walks.length;
  }
  return { recall, ndcg, ms: (performance.now() - begin) / walks.length };
}

const show = (result: { readonly recall: number; readonly ndcg: number }): string =>
  `${result.recall.toFixed(3)} / ${result.ndcg.toFixed(3)}`;

/** What is ranked, and for which users: all items, those that were sold, new ones. */
const settings = {
  all: { only: undefined, of: () => true },
  warm: { only: sold, of: (walked: readonly number[]) => !isNew(walked[history]) },
  cold: { only: fresh, of: (walked: readonly number[]) => isNew(walked[history]) },
};
type Setting = keyof typeof settings;

interface Figures {
  readonly warm: number;
  readonly cold: number;
  readonly ms: number;
}

async function report(name: string, rankFor: (setting: Setting) => Rank): Promise<Figures> {
  const measure = (setting: Setting): ReturnType<typeof recallOf> =>
    recallOf(rankFor(setting), tests.filter(settings[setting].of), settings[setting].only);
  const all = await measure("all");
  const warm = await measure("warm");
  const cold = await measure("cold");
  console.log(
    `${name}: all ${show(all)}, warm ${show(warm)}, cold ${show(cold)}, ${all.ms.toFixed(1)} ms`,
  );
  return { warm: warm.recall, cold: cold.recall, ms: all.ms };
}

async function runSet(name: string, arm: Partial<SetRecConfig>): Promise<Figures> {
  const config = setRecConfig.parse({
    history,
    semantic: 2,
    collaborativeWidth,
    textWidth,
    encoder: [64],
    ...arm,
  });
  const step = jit(runner, valueAndGrad(setRecLoss(config)));
  const { params } = await train({
    step,
    params: initSetRec(config, key.at(1, "draft")),
    optimizer: adamW({ learningRate: 2e-3 }),
    batches: setRecBatches(config, catalogue, users, batch, key),
    steps,
  });
  await step.dispose();
  const recommender = await createRecommender(runner, config, params, catalogue);
  const rankAt =
    (beta: number): Rank =>
    async (known, only) =>
      (await recommender.recommend(known, beta, 10, { only })).items;
  const both = config.collaborative && config.semantic > 0;
  const betas = both ? [0.1, 0.3, 0.5, 0.7, 0.9] : [Number(!config.collaborative)];
  /** Chosen on users that are not those of the test. */
  const chosen = { all: betas[0], warm: betas[0], cold: betas[0] };
  for (const setting of both ? (["all", "warm", "cold"] as const) : []) {
    let most = -1;
    for (const beta of betas) {
      const { only, of } = settings[setting];
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { recall } = await recallOf(rankAt(beta), validation.filter(of), only);
      if (recall > most) [most, chosen[setting]] = [recall, beta];
    }
  }
  const { all, warm, cold } = chosen;
  const result = await report(`${name}, beta ${all} ${warm} ${cold}`, (setting) =>
    rankAt(chosen[setting]),
  );
  await recommender.dispose();
  return result;
}

/** Items as two codes that refine each other and a third that tells apart, spelled by a beam search. */
async function runSequence(): Promise<Figures> {
  const levels = 3;
  const perLevel = 32;
  const [first, second] = residualCodes(
    text.subarray(textWidth),
    textWidth,
    16,
    2,
    key.at(2, "sample"),
  );
  const taken = new Map<string, number>();
  const itemOf = new Map<string, number>();
  const codes = Array.from({ length: items }, (_, item) => {
    const pair = `${first[item]} ${second[item]}`;
    const third = taken.get(pair) ?? 0;
    taken.set(pair, third + 1);
    const code = [1 + first[item], 1 + perLevel + second[item], 1 + 2 * perLevel + third];
    itemOf.set(code.join(), item);
    return code;
  });
  const vocabSize = 1 + 2 * perLevel + Math.max(...taken.values());
  const config: TransformerConfig = {
    vocabSize,
    contextLength: 1 + levels * (history + 1),
    layers: 2,
    width: 64,
    heads: 4,
    hidden: 256,
    mlp: "gelu",
    norm: "layer",
    rotaryBase: 10_000,
    tied: false,
    bias: true,
  };
  const rowOf = (known: readonly number[]): number[] => [
    0,
    ...known.flatMap((item) => codes[item]),
  ];
  const { params } = await trainLanguageModel(runner, config, {
    params: initTransformer(config, key.at(1, "draft")),
    *batches(from): Generator<WindowBatch> {
      const shape = [batch, config.contextLength];
      for (let at = from; ; at++) {
        const rng = key.at(at, "sample");
        const some = Array.from(
          { length: batch },
          () => users[Math.floor(rng.uniform() * users.length)],
        );
        const windows = Int32Array.from(some.flatMap(rowOf));
        yield [
          { data: windows, shape },
          { data: new Float32Array(windows.length).fill(1), shape },
        ];
      }
    },
    steps,
    learningRate: 2e-3,
  });
  /** The beginnings of the codes of some items. */
  const beginnings = new Map<ReadonlySet<number> | undefined, Set<string>>(
    [undefined, sold, fresh].map((only) => {
      const some = codes.filter((_, item) => only?.has(item) ?? true);
      return [only, new Set(some.flatMap((code) => [1, 2, 3].map((n) => code.slice(0, n).join())))];
    }),
  );
  const logits = jit(runner, languageModelLogits(config));
  const rankWith =
    (beam: number): Rank =>
    async (known, only) => {
      const prefix = rowOf(known);
      let beams = [{ code: [] as number[], logProb: 0 }];
      for (let level = 0; level < levels; level++) {
        const width = level === 0 ? 1 : beam; // each width is a graph of its own
        const length = prefix.length + level;
        const rows = new Int32Array(width * length);
        beams.forEach(({ code }, i) => rows.set([...prefix, ...code], i * length));
        // oxlint-disable-next-line no-await-in-loop -- a code needs those before it
        const { data } = await logits(params, { data: rows, shape: [width, length] });
        const longer = beams.flatMap(({ code, logProb }, i) => {
          const end = (i * length + length) * vocabSize;
          const law = logSoftmax((data as Float32Array).subarray(end - vocabSize, end));
          return Array.from(law, (value, unit) => ({
            code: [...code, unit],
            logProb: logProb + value,
          }));
        });
        beams = longer
          .filter(({ code }) => beginnings.get(only)?.has(code.join()))
          .toSorted((a, b) => b.logProb - a.logProb)
          .slice(0, beam);
      }
      return beams.map(({ code }) => itemOf.get(code.join()) as number);
    };
  const result = await report("sequence, beam 20", () => rankWith(20));
  const missed = { 5: 0, 20: 0 };
  const some = tests.slice(0, 100).map((walked) => walked.slice(0, history));
  for (const known of some) {
    // oxlint-disable-next-line no-await-in-loop -- one request at a time
    const { 0: best } = await rankWith(items)(known, undefined);
    for (const beam of [5, 20] as const) {
      // oxlint-disable-next-line no-await-in-loop -- as above
      const found = await rankWith(beam)(known, undefined);
      missed[beam] += Number(!Array.from(found).includes(best));
    }
  }
  console.log(
    `likeliest sequence of ${some.length} searches missed, its first codes being rare: ${missed[5]} with a beam of 5, ${missed[20]} with 20`,
  );
  await logits.dispose();
  return result;
}

const set = await runSet("SET", {});
const collaborative = await runSet("collaborative token alone", { semantic: 0 });
const semantic = await runSet("semantic tokens alone", { collaborative: false });
const sequence = await runSequence();
const single = Math.max(collaborative.warm, semantic.warm);
console.log(`warm, SET at least 0.9 of the best single kind: ${set.warm >= 0.9 * single}`);
console.log(
  `cold, SET at least 1.5 times the collaborative token: ${set.cold >= 1.5 * collaborative.cold}`,
);
console.log(`SET at least 3 times as fast as the sequence: ${sequence.ms >= 3 * set.ms}`);
// -> SET, beta ... ... ...: all ..., warm ..., cold ..., ... ms
// -> collaborative token alone, beta 0 0 0: all ..., warm ..., cold ..., ... ms
// -> semantic tokens alone, beta 1 1 1: all ..., warm ..., cold ..., ... ms
// -> sequence, beam 20: all ..., warm ..., cold ..., ... ms
// -> likeliest sequence of 100 searches missed, its first codes being rare: ... with a beam of 5, ... with 20
// -> warm, SET at least 0.9 of the best single kind: true
// -> cold, SET at least 1.5 times the collaborative token: true
// -> SET at least 3 times as fast as the sequence: true
