/**
 * Chooses how much to draft and how much of it to verify, from measured costs and measured acceptance.
 *
 * A round that verifies n nodes emits 1 + (accepted nodes) tokens and takes draft + T(1 + n) ms; the schedule maximizes their ratio.
 * Chosen nodes (no laws): drafted freely, then the best prefix-closed part is verified, best path product first.
 * Drawn nodes (laws): a node must not be dropped once it is drawn (that would bend the law of the text), so their number is fixed before, for an
 * average acceptance a: (1 - a^(g+1)) / (1 - a) expected tokens of a chain, Leviathan et al., 2022, arXiv:2211.17192; of a tree, 1 + the g largest products
 * of f_j, the chance that the j-th child is the accepted one, down from the root, Chen et al., 2024, arXiv:2402.12374.
 */
import type { Calibration } from "./calibration.ts";
import { type Costs, costOf } from "./costs.ts";
import type { Schedule } from "./schedule.ts";
import { bestFirstTree, RankAcceptance } from "./sequoia.ts";
import { type DraftTree, isChain, isSampled, selectNodes } from "./tree.ts";

/** A drafter that costs less than this share of a forward for a node may always fill the tree. */
const cheapShare = 0.01;
/** Every so many rounds a drafter that did not pay is asked again. */
const probeEvery = 16;
/** A drafter that has lately cost more time than it won is asked every second round, then every fourth, at last every so many rounds. */
const longestPause = 8;
/** Children of a node whose chances are told apart. */
const widest = 8;

/**
 * The chain length g in [0, max] that maximizes expected tokens per ms, (1 - a^(g+1)) / (1 - a) / (T(1 + g) + draft(g)).
 *
 * @param acceptance a, the chance that a drafted token is accepted. @param draftMs Of one drafted token. @param fixedMs Of a round with any.
 * @example chooseLength(0.7, 0.1, [0, 1, 1, 1], 16) // 4, at 1.98 times the tokens of a plain round
 */
export function chooseLength(
  acceptance: number,
  draftMs: number,
  costs: Costs,
  max: number,
  fixedMs = 0,
): number {
  return chooseTreeSize([acceptance], draftMs, costs, max, fixedMs);
}

/**
 * As {@link chooseLength} for a drawn tree that is grown where it is worth most: the number of nodes in [0, max].
 *
 * @param rates f_j by rank of a child, from the first. Where one exceeds the one before it, it counts as that.
 * @example chooseTreeSize([0.6, 0.2, 0.1], 0, [0, 10, 10, 11, 12], 16) // 4: 2.376 tokens for 13 ms
 */
export function chooseTreeSize(
  rates: ArrayLike<number>,
  draftMs: number,
  costs: Costs,
  max: number,
  fixedMs = 0,
): number {
  let least = Infinity;
  const falling = Array.from(rates, (rate) => (least = Math.min(least, rate)));
  const { parents, ranks } = bestFirstTree(falling, max);
  const products: number[] = [];
  let best = 0;
  let bestRate = 1 / costOf(costs, 1);
  let tokens = 1;
  parents.forEach((parent, i) => {
    products.push(falling[ranks[i]] * (parent < 0 ? 1 : products[parent]));
    tokens += products[i];
    const size = i + 1;
    const rate = tokens / (costOf(costs, 1 + size) + size * draftMs + fixedMs);
    if (rate > bestRate) {
      best = size;
      bestRate = rate;
    }
  });
  return best;
}

/**
 * The nodes whose verification gives most expected tokens per ms: those of the largest path products, as many as pay, at least one where there is
 * one (a forward of two rows costs what a plain one does).
 *
 * @param probabilities [nodes] that a node is accepted given its parent. @param draftMs Already spent on this tree.
 * @returns Ascending; with every node its parent.
 */
export function chooseNodes(
  tree: DraftTree,
  probabilities: ArrayLike<number>,
  costs: Costs,
  draftMs = 0,
): Int32Array {
  const products = pathProducts(tree, probabilities);
  const order = Int32Array.from(products, (_, i) => i).toSorted(
    (a, b) => products[b] - products[a] || a - b,
  );
  let count = Math.min(1, order.length);
  let best = 0;
  let tokens = 1;
  order.forEach((node, i) => {
    tokens += products[node];
    const rate = tokens / (costOf(costs, 2 + i) + draftMs);
    if (rate > best) {
      best = rate;
      count = i + 1;
    }
  });
  return order.slice(0, count).toSorted();
}

/** [nodes] that a node is on the accepted path. @param probabilities [nodes] that it is accepted given its parent. */
function pathProducts(tree: DraftTree, probabilities: ArrayLike<number>): Float64Array {
  const products = new Float64Array(tree.tokens.length);
  tree.parents.forEach((parent, i) => {
    products[i] = Math.min(1, probabilities[i]) * (parent < 0 ? 1 : products[parent]);
  });
  return products;
}

/** Most tokens a ms by what a drafter costs and wins; off, but for probes, where it does not pay. */
export function goodputSchedule(costs: Costs, calibration: Calibration, max: number): Schedule {
  const draftCost = new LineFit();
  // Before the first draft nothing is known of a drafter; what is drawn must be decided before it is drawn.
  let kind: "unknown" | "chosen" | "drawn" = "unknown";
  let branching = false;
  const first = calibration.acceptance;
  const guess = Float64Array.from({ length: widest }, (_, rank) => first * (1 - first) ** rank);
  const ranks = new RankAcceptance(widest, guess);
  let idle = 0;
  let pause = 1;
  // Ms that asking the drafter won a round, recently, as its confidence has it: what came of a few rounds is mostly chance. A new drafter has credit, as a text
  // must begin before it can repeat; one that did not pay for the last text has none.
  const credit = costOf(costs, 2) / 4;
  let won = Math.min(credit, calibration.won ?? credit);
  const probabilitiesOf = (tree: DraftTree): Float64Array =>
    Float64Array.from(tree.confidences, (confidence) => calibration.probability(confidence));
  return {
    budget() {
      const perNode = draftCost.slope;
      if (kind !== "drawn" && won < 0 && ++idle % pause !== 0) return 0;
      if (kind === "chosen" && perNode < cheapShare * costOf(costs, 2)) return max;
      const rates = branching ? ranks.rates : [calibration.acceptance];
      const length = chooseTreeSize(rates, perNode, costs, max, draftCost.intercept);
      if (length > 0 || ++idle % probeEvery === 0) return Math.max(1, length);
      return 0;
    },
    confidenceThreshold: () => 0,
    select(tree, draftMs) {
      if (isSampled(tree)) return tree;
      return selectNodes(tree, chooseNodes(tree, probabilitiesOf(tree), costs, draftMs));
    },
    observe({ tree, path, drafted, draftMs }) {
      const extraMs = costOf(costs, 1 + tree.tokens.length) - costOf(costs, 2);
      const accepted = pathProducts(tree, probabilitiesOf(tree)).reduce((sum, p) => sum + p, 0);
      const gain = drafted === 0 ? 0 : accepted * costOf(costs, 2) - extraMs;
      won += 0.1 * (gain - draftMs - won);
      calibration.won = won;
      pause = won < 0 ? Math.min(2 * pause, longestPause) : 1;
      if (drafted === 0) return;
      kind = isSampled(tree) ? "drawn" : "chosen";
      branching = kind === "drawn" && !isChain(tree);
      if (branching) ranks.observe(tree, path);
      draftCost.add(drafted, draftMs);
      calibration.observe(tree, path);
    },
  };
}

/** y = intercept + slope x by least squares over the recent past; a drafter's fixed cost a round and its cost a node. */
class LineFit {
  #weight = 0;
  #x = 0;
  #y = 0;
  #xx = 0;
  #xy = 0;

  add(x: number, y: number): void {
    this.#weight += 0.1 * (1 - this.#weight);
    this.#x += 0.1 * (x - this.#x);
    this.#y += 0.1 * (y - this.#y);
    this.#xx += 0.1 * (x * x - this.#xx);
    this.#xy += 0.1 * (x * y - this.#xy);
  }

  /** At least 0. Where x hardly varies: 0, which blames everything on the round, so that more nodes are tried and show what they cost. */
  get slope(): number {
    if (this.#weight === 0) return 0;
    const x = this.#x / this.#weight;
    const y = this.#y / this.#weight;
    const variance = this.#xx / this.#weight - x * x;
    if (variance < 0.25) return 0;
    return Math.max(0, (this.#xy / this.#weight - x * y) / variance);
  }

  get intercept(): number {
    if (this.#weight === 0) return 0;
    return Math.max(0, (this.#y - this.slope * this.#x) / this.#weight);
  }
}
