/**
 * A small student learns from a large teacher of another style: from the teacher's own texts, and from those that RSD makes of both, in which no token is
 * one that the student finds all but impossible.
 *
 * Kim, Seo, Lee, "In Their Own Words: Reasoning Traces Tailored for Small Models Make Them Better Reasoners", 2025, arXiv:2509.22230: direct distillation makes
 * small students worse, RSD makes them better. The task is the two-step walk; the teacher answers at length, of which the student has seen next to nothing.
 */
import type { HostTensor } from "@veridraft/autodiff";
import { type Transformer, trainLanguageModel } from "@veridraft/autodiff/nn";
import {
  allWalks,
  answerGreedily,
  drawWalk,
  isRightAnswer,
  loadWalker,
  packExamples,
  trainWalker,
  transformerModel,
  type WalkExample,
  walkers,
  walkIds,
  walkPrompt,
} from "@veridraft/autodiff/testing";
import { createRng, type LanguageModel, type TreeSequence } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { createLawModel, generate, rsdTrace, surpriseOf } from "@veridraft/spec-decoding";

const problems = 200;
const samples = 4;
const threshold = 0.01;
const sampling = { temperature: 0.7, topP: 0.95 };
const epochs = 15;
const batch = 16;

const runner = createGraphRunner({ threads: 1 });
const key = createRng(11);
const { config } = walkers.small;
const start = await loadWalker("small");
const student = transformerModel(runner, config, start);
const recipe = { ...walkers.large, atLength: 0.8, steps: 900 };
const teacher = transformerModel(runner, recipe.config, await trainWalker(runner, recipe));

/** To a prompt, from a seed. */
type Answer = (prompt: number[], seed: number) => Promise<readonly number[]>;

async function sampled(
  model: LanguageModel<TreeSequence>,
  prompt: number[],
  seed: number,
): Promise<number[]> {
  const maxTokens = config.contextLength - prompt.length;
  const options = { key: createRng(seed), maxTokens, sampling, stopIds: [walkIds.end] };
  const ids: number[] = [];
  const steps = generate(model, prompt, options);
  for (;;) {
    const { done, value } = await steps.next();
    if (!done) ids.push(...value.ids);
    else return value.finishReason === "stop" ? [...ids, walkIds.end] : ids;
  }
}

/** For each problem the shortest right answer of some. */
async function traces(answer: Answer): Promise<WalkExample[]> {
  const found: WalkExample[] = [];
  for (let i = 0; i < problems; i++) {
    const walk = drawWalk(key.at(i, "sample"));
    const prompt = walkPrompt(walk);
    let best: readonly number[] | null = null;
    for (let sample = 0; sample < samples; sample++) {
      const ids = await answer(prompt, i * samples + sample);
      const valid = ids.at(-1) === walkIds.end && isRightAnswer(walk, ids);
      if (valid && (best === null || ids.length < best.length)) best = ids;
    }
    if (best) found.push({ prompt, answer: best });
  }
  return found;
}

let fallbacks = 0;
let tokens = 0;
const laws = { teacher: createLawModel(teacher), student: createLawModel(student) };
const sets = {
  "the teacher's": await traces((prompt, seed) => sampled(teacher, prompt, seed)),
  "RSD's": await traces(async (prompt, seed) => {
    const made = await rsdTrace(laws.teacher, laws.student, prompt, {
      key: createRng(seed),
      sampling,
      threshold,
      maxTokens: config.contextLength - prompt.length,
      stopIds: [walkIds.end],
    });
    fallbacks += made.tokens.filter(({ fallback }) => fallback).length;
    tokens += made.tokens.length;
    return made.ids;
  }),
};

/** The student after some epochs of texts. */
async function tune(examples: readonly WalkExample[]): Promise<Transformer<HostTensor>> {
  const perEpoch = Math.ceil(examples.length / batch);
  const { params } = await trainLanguageModel(runner, config, {
    params: start,
    *batches(step) {
      for (let at = step; ; at++) {
        const epoch = Math.floor(at / perEpoch);
        const rng = key.at(epoch, "accept");
        const order = examples
          .map((example) => ({ example, at: rng.uniform() }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ example }) => example);
        const from = (at % perEpoch) * batch;
        yield packExamples(order.slice(from, from + batch));
      }
    },
    steps: epochs * perEpoch,
    learningRate: 1e-3,
  });
  return params;
}

async function shareRight(params: Transformer<HostTensor>): Promise<number> {
  const model = transformerModel(runner, config, params);
  let right = 0;
  for (const walk of allWalks) {
    if (isRightAnswer(walk, await answerGreedily(model, walkPrompt(walk)))) right++;
  }
  await model.dispose();
  return right / allWalks.length;
}

/** Share of tokens below the threshold. */
async function shareUnlikely(examples: readonly WalkExample[]): Promise<number> {
  let low = 0;
  let all = 0;
  for (const { prompt, answer } of examples) {
    const { share } = await surpriseOf(student, [...prompt], [...answer], threshold);
    low += share * answer.length;
    all += answer.length;
  }
  return low / all;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const base = await shareRight(start);
console.log(`the student: ${percent(base)} of ${allWalks.length} walks right`);
console.log(`RSD fell back at ${percent(fallbacks / tokens)} of tokens`);
const results = new Map<string, { readonly unlikely: number; readonly right: number }>();
for (const [name, examples] of Object.entries(sets)) {
  const unlikely = await shareUnlikely(examples);
  const right = await shareRight(await tune(examples));
  results.set(name, { unlikely, right });
  console.log(
    `after ${examples.length} texts, ${name}: ${percent(right)}; ${percent(unlikely)} of their tokens are below 1 % to it`,
  );
}
const [direct, rsd] = [...results.values()];
console.log(`RSD's help, by 8 points at least: ${rsd.right >= base + 0.08}`);
console.log(`the teacher's hurt, by 15 at least: ${direct.right <= base - 0.15}`);
console.log(`a tenth of the unlikely tokens at most: ${rsd.unlikely <= direct.unlikely / 10}`);
for (const model of [teacher, student]) await model.dispose();
// -> the student: ... % of 450 walks right
// -> RSD fell back at ... % of tokens
// -> after ... texts, the teacher's: ... %; ... % of their tokens are below 1 % to it
// -> after ... texts, RSD's: ... %; ... % of their tokens are below 1 % to it
// -> RSD's help, by 8 points at least: true
// -> the teacher's hurt, by 15 at least: true
// -> a tenth of the unlikely tokens at most: true
