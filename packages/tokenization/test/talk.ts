/** Talk as to a child, drawn from a small grammar: few words, in phrases that come back. */
import type { Rng } from "@veridraft/core-probs";

const openings = ["do you want to ", "can you ", "let's ", "you have to ", "i think we ", "look "];
const verbs = ["see ", "put ", "find ", "open ", "take ", "hold "];
const things = ["the ", "a ", "your ", "that little "];
const names = ["doggie ", "book ", "ball ", "kitty ", "telephone ", "lady ", "hat ", "train "];
const endings = ["", "", "over there ", "in the box ", "for me ", "all right "];

export function talk(sentences: number, rng: Rng): string[] {
  const pick = (texts: readonly string[]): string => texts[rng.categorical(texts.map(() => 1))];
  return Array.from({ length: sentences }, () =>
    [openings, verbs, things, names, endings].map(pick).join(""),
  );
}
