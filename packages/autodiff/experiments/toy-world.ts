/** The two walkers of `@veridraft/autodiff/testing` on 1,000 problems, as they are committed, and the small one once more from its seed. */
import { type HostTensor } from "@veridraft/autodiff";
import type { Transformer } from "@veridraft/autodiff/nn";
import {
  answerGreedily,
  drawWalk,
  isRightAnswer,
  loadWalker,
  showWalk,
  trainWalker,
  transformerModel,
  type WalkerName,
  walkers,
  walkPrompt,
} from "@veridraft/autodiff/testing";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";

const problems = 1000;
const key = createRng(2);
const runner = createGraphRunner({ threads: 1 });

async function shareRight(name: WalkerName, params: Transformer<HostTensor>): Promise<number> {
  const model = transformerModel(runner, walkers[name].config, params);
  let right = 0;
  for (let i = 0; i < problems; i++) {
    const walk = drawWalk(key.at(i, "sample"));
    const prompt = walkPrompt(walk);
    const answer = await answerGreedily(model, prompt);
    if (i === 0) console.log(showWalk([...prompt, ...answer]));
    if (isRightAnswer(walk, answer)) right++;
  }
  await model.dispose();
  return right / problems;
}

function show(what: string, share: number, low: number, high: number): void {
  const inside = share >= low && share <= high;
  console.log(`${what}: ${(100 * share).toFixed(1)} % right, within ${low} and ${high}: ${inside}`);
}

show("small", await shareRight("small", await loadWalker("small")), 0.63, 0.75);
show("large", await shareRight("large", await loadWalker("large")), 0.99, 1);
const start = performance.now();
const small = await trainWalker(runner, walkers.small);
console.log(`trained in ${((performance.now() - start) / 1000).toFixed(1)} s`);
show("small, trained anew", await shareRight("small", small), 0.5, 0.9);
// -> Q 3 2 1 7 = ... <end>
// -> small: ... % right, within 0.63 and 0.75: true
// -> Q 3 2 1 7 = ... 5 ; ... 6 ; ... 8 ; ... 9 ; ... 1 ; ... 2 ; ... 4 ; # 4 <end>
// -> large: ... % right, within 0.99 and 1: true
// -> trained in ... s
// -> Q 3 2 1 7 = ... <end>
// -> small, trained anew: ... % right, within 0.5 and 0.9: true
