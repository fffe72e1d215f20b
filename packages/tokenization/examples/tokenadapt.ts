/** A model's embedding takes a larger vocabulary: what is shared is copied, and a new word gets its row from its pieces and its neighbors. */
import { createRng } from "@veridraft/core-probs";
import { createTokenizer } from "@veridraft/tokenization";
import {
  mixRows,
  normalRow,
  reTok,
  selfEmbedding,
  tokenAdapt,
} from "@veridraft/tokenization/systems";
import { trainBpe } from "@veridraft/tokenization/training";

const texts = ["a nail, a shoe, a horse, a rider: want of a nail lost a shoe, a horse and a rider"];
const old = createTokenizer(await trainBpe(texts, { vocabSize: 262 }));
const fresh = createTokenizer(
  await trainBpe(texts, { vocabSize: 275, special: ["<|endoftext|>"] }),
);
const width = 4;
const rng = createRng(1).at(0, "sample");
const table = Float32Array.from({ length: old.vocabSize * width }, () => rng.uniform() - 0.5);

const embed = selfEmbedding(old, table, width);
const mixtures = await tokenAdapt(old, fresh, embed);
const rows = mixRows(mixtures, table, width, normalRow(table, width, rng));
console.log(`${rows.length / width} rows of ${width}`);
for (const source of ["copied", "hybrid", "none"]) {
  const of = mixtures.flatMap((mixture, id) => (mixture.source === source ? [id] : []));
  console.log(`${source}: ${of.length}, as ${JSON.stringify(fresh.piece(of[of.length - 1]))}`);
}
const id = fresh.idOf(" horse") as number;
const show = (ids: ArrayLike<number>, weights: ArrayLike<number>): string =>
  Array.from(ids, (piece, j) => `${old.piece(piece)} ${weights[j].toFixed(2)}`).join(", ");
const plain = reTok(old, fresh)[id];
console.log(`plain:  ${show(plain.ids, plain.weights)}`);
console.log(`hybrid: ${show(mixtures[id].ids, mixtures[id].weights)}`);
// -> 275 rows of 4
// -> copied: 262, as "nai"
// -> hybrid: 12, as " shoe"
// -> none: 1, as "<|endoftext|>"
// -> plain:    0.20, ho 0.20, r 0.20, s 0.20, e 0.20
// -> hybrid:   0.12, ho 0.16, r 0.15, s 0.14, e 0.13, ide 0.11, ai 0.10, nai 0.09
