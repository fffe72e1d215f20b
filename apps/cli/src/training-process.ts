/**
 * Our training as a process, for comparisons: the requests and answers of tools/peers/train-jax.mjs.
 *
 *   node training-process.js '{"workload": "toy", "threads": 2}'
 */
import { createInterface } from "node:readline";
import { adamW, chain, clipByGlobalNorm, jit, train, valueAndGrad } from "@veridraft/autodiff";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { createWorkload, optimizerSettings } from "./training-workloads.ts";

const { workload, threads } = JSON.parse(process.argv[2]);
const { params, loss, batches } = createWorkload(workload);
const { clip, ...settings } = optimizerSettings;
const optimizer = chain(clipByGlobalNorm(clip), adamW({ ...settings, decayed: () => true }));
const step = jit(createGraphRunner({ threads }), valueAndGrad(loss));

function answer(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Trains from the first parameters on; time is counted from the first batch on. */
async function trainSteps(steps: number): Promise<{ ms: number; losses: number[] }> {
  const losses: number[] = [];
  let start = 0;
  await train({
    step,
    params,
    optimizer,
    *batches() {
      start = performance.now();
      for (let i = 0; ; i++) yield batches[i % batches.length];
    },
    steps,
    onProgress: ({ loss: value }) => losses.push(value),
  });
  return { ms: performance.now() - start, losses };
}

answer({});
for await (const line of createInterface({ input: process.stdin })) {
  try {
    answer(await trainSteps(JSON.parse(line).steps));
  } catch (error) {
    answer({ error: (error as Error).message });
  }
}
await step.dispose();
