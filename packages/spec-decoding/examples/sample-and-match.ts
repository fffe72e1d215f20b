/** With the seeded coupling a seed has one text, whatever drafts: the target's own draw decides. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import {
  createPromptLookup,
  createSuffixDrafter,
  type Drafter,
  generate,
} from "@veridraft/spec-decoding";

const target = tableModel([
  [0.05, 0.9, 0.05],
  [0.05, 0.05, 0.9],
  [0.8, 0.1, 0.1],
]);

async function text(drafter: Drafter | null): Promise<string> {
  const key = createRng(7);
  const ids: number[] = [];
  let forwards = 0;
  for await (const step of generate(target, [0, 1, 2], {
    key,
    drafter,
    sampling: { temperature: 1 },
    maxTokens: 40,
  })) {
    ids.push(...step.ids);
    forwards++;
  }
  return `${ids.join("")} in ${forwards} forwards`;
}

console.log(`no drafter:       ${await text(null)}`);
console.log(`prompt lookup:    ${await text(createPromptLookup())}`);
console.log(`suffix automaton: ${await text(createSuffixDrafter())}`);
// -> no drafter:       2020121201201201201212012112012011202012 in 40 forwards
// -> prompt lookup:    2020121201201201201212012112012011202012 in 18 forwards
// -> suffix automaton: 2020121201201201201212012112012011202012 in 17 forwards
