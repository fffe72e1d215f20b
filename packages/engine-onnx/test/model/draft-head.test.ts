import { setTimeout as wait } from "node:timers/promises";
import { loadDraftHead } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { expect, it } from "vitest";

const rounds = 10;
/** As long as a target's forward. */
const between = 10;

/** CPU time is that of this process alone, however busy the machine is; threads that spin take all of it, and from a target on the same CPUs two thirds of its speed. */
it("a draft head takes no CPU time while its target runs", async () => {
  const head = await loadDraftHead(smolLM2.draftHead, smolLM2.path);
  const taps = new Float32Array(head.tapWidth).fill(0.1);
  await head.start(taps, 100);
  await wait(500);
  let used = 0;
  for (let round = 0; round < rounds; round++) {
    await head.start(taps, 100);
    const before = process.cpuUsage();
    await wait(between);
    const { user, system } = process.cpuUsage(before);
    used += (user + system) / 1000;
  }
  await head.dispose();
  expect(used / (rounds * between)).toBeLessThan(0.3);
});
