/** Drafts what followed the longest repeated suffix, in this text or in a past one. */
import { createRng } from "@veridraft/core-probs";
import { createSuffixDrafter, SuffixStore } from "@veridraft/spec-decoding";

const encode = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));
const decode = (ids: Int32Array): string => String.fromCharCode(...ids);
const key = createRng(1);
const store = new SuffixStore();

const first = createSuffixDrafter(store);
const text = "Dear Ms Lovelace, thank you for your letter of 10 May.";
console.log(
  `nothing known:  "${decode((await first.propose({ ids: encode(text), budget: 8, key })).tokens)}"`,
);
first.dispose();

const second = createSuffixDrafter(store);
const { tokens } = await second.propose({ ids: encode("Dear Mr Babbage, thank"), budget: 16, key });
console.log(`after one text: "Dear Mr Babbage, thank" -> "${decode(tokens)}"`);
// -> nothing known:  ""
// -> after one text: "Dear Mr Babbage, thank" -> " you for your le"
