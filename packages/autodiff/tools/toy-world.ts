/** `npm run toy-world`: trains the walkers of `@veridraft/autodiff/testing` anew and writes the files that are committed. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { leavesOf, writeSafetensors } from "@veridraft/autodiff";
import { trainWalker, type WalkerName, walkerPath, walkers } from "@veridraft/autodiff/testing";
import { createGraphRunner } from "@veridraft/engine-onnx";

const runner = createGraphRunner({ threads: 1 });
for (const name of Object.keys(walkers) as WalkerName[]) {
  const start = performance.now();
  let last = "";
  const params = await trainWalker(runner, walkers[name], ({ step, loss }) => {
    last = `${step} steps, loss ${loss.toFixed(3)}`;
  });
  const path = walkerPath(name);
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, Object.fromEntries(leavesOf(params)));
  console.log(`${path}: ${last}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
}
