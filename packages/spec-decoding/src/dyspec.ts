/**
 * DySpec: grows a draft tree where the draft itself expects acceptance.
 *
 * Xiong et al., "DySpec: Faster Speculative Decoding with Dynamic Token Tree Structure", 2024, arXiv:2410.11744.
 *
 * A slot (c, R, v) is a place for the next child of node c: R is q(. | c) without the children that c already has, v the estimated chance that
 * verification comes here. A: pop the slot of largest v, y ~ R, add y below c; push (c, R without y, v (1 - R(y))) and (y, q(. | y), v R(y)).
 * B: layer by layer, a node has children while its slot has v >= t; children with v R(y) >= t make up the next layer.
 * Each drawn child keeps the R it was drawn from: the verifier tests against it. Whether a slot is filled depends on draws made before, never on
 * one that is then dropped, so that the tree is exact for the rule without replacement, and for sample and match where tokens are chosen.
 *
 * Departures: R(y) may be replaced by the acceptance measured for it, since at temperature 1 a drawn token is accepted far more often than R(y)
 * says; the text of the paper was not at hand, layers follow its abstract and Sequoia's code.
 */
import {
  type Distribution,
  type LanguageModel,
  probabilityOf,
  processLogits,
  resolveSampling,
  sampleGumbel,
  type Sampling,
  truncateLaw,
} from "@veridraft/core-probs";
import { z } from "zod";
import { Calibration } from "./calibration.ts";
import {
  type ChildChoice,
  drawnChildren,
  likeliestChildren,
  withoutToken,
} from "./child-choice.ts";
import { parseConfig } from "./config.ts";
import { lawSize } from "./draft-model.ts";
import type { Drafter, DraftLaw } from "./drafter.ts";
import { FollowingCache } from "./following-cache.ts";
import { childrenOf, type DraftTree, emptyTree, pathTo } from "./tree.ts";
import type { Coupling } from "./verifier.ts";

/** Bounds of {@link growTree} and {@link growTreeLayered}. */
export const dySpecConfig = z.strictObject({
  maxNodes: z.int().min(1).max(1024).default(16).describe("Nodes of the tree."),
  maxDepth: z.int().min(1).default(12).describe("Levels of the tree."),
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(1 / 16)
    .describe("Smallest slot value that is filled; read layer by layer only."),
});
export type DySpecConfig = z.input<typeof dySpecConfig>;

/** Values that differ by less, relatively, are those of float32 laws that tie. */
const rounding = 1e-6;

/** A place for the next child of a node. */
interface Slot {
  readonly node: number;
  readonly depth: number;
  readonly value: number;
  /** Null until the draft is asked for the law after the node. */
  readonly rest: Distribution | null;
  /** The node's probability that is not drawn yet. */
  readonly left: number;
}

/** A tree under growth. */
class Growth {
  readonly #tokens: number[] = [];
  readonly #parents: number[] = [];
  readonly #laws: DraftLaw[] = [];
  readonly #confidences: number[] = [];
  readonly #choice: ChildChoice;
  readonly #calibration: Calibration | null;

  constructor(choice: ChildChoice, calibration: Calibration | null) {
    this.#choice = choice;
    this.#calibration = calibration;
  }

  get size(): number {
    return this.#tokens.length;
  }

  get tree(): DraftTree {
    return {
      tokens: Int32Array.from(this.#tokens),
      parents: Int32Array.from(this.#parents),
      laws: this.#laws,
      confidences: Float32Array.from(this.#confidences),
    };
  }

  /** The tokens from the root's child down to `node`. */
  path(node: number): Int32Array {
    return Int32Array.from(pathTo(this.tree, node), (i) => this.#tokens[i]);
  }

  /** Fills a slot; gives the slot beside the new child, or null where the law is used up, and the one below it. */
  fill(slot: Slot, rest: Distribution): { beside: Slot | null; below: Slot } {
    const token = this.#choice.next(rest, slot.depth);
    const share = Math.min(1, probabilityOf(rest, token));
    const accepted = this.#calibration?.probability(share) ?? share;
    const node = this.#tokens.push(token) - 1;
    this.#parents.push(slot.node);
    this.#laws.push(this.#choice.drawn ? rest : null);
    this.#confidences.push(slot.left * share);
    const after = withoutToken(rest, token);
    const beside = after && {
      ...slot,
      value: slot.value * (1 - accepted),
      rest: after,
      left: slot.left * (1 - share),
    };
    return { beside, below: slotOf(node, slot.depth + 1, slot.value * accepted, null) };
  }
}

function slotOf(node: number, depth: number, value: number, rest: Distribution | null): Slot {
  return { node, depth, value, rest, left: 1 };
}

/**
 * Algorithm A: a tree of `maxNodes` nodes, or fewer where no slot is left. The draft is asked only for nodes whose slot is opened.
 *
 * Confidences are q(y): with R(y) taken as the acceptance, their product down a path is the node's value.
 *
 * @param rootLaw q after the root. @param expand q after a path of tokens. @param calibration Acceptance by R(y); null takes R(y) itself.
 */
export async function growTree(
  rootLaw: Distribution,
  expand: (path: Int32Array) => Promise<Distribution> | Distribution,
  choice: ChildChoice,
  config: DySpecConfig = {},
  calibration: Calibration | null = null,
): Promise<DraftTree> {
  const { maxNodes, maxDepth } = parseConfig("growTree", dySpecConfig, config);
  const growth = new Growth(choice, calibration);
  const slots = [slotOf(-1, 1, 1, rootLaw)];
  while (growth.size < maxNodes && slots.length > 0) {
    let best = 0;
    for (let i = 1; i < slots.length; i++) {
      if (slots[i].value > slots[best].value * (1 + rounding)) best = i;
    }
    const [slot] = slots.splice(best, 1);
    if (!(slot.value > 0)) break;
    // oxlint-disable-next-line no-await-in-loop -- which slot comes next depends on this law
    const rest = slot.rest ?? (await expand(growth.path(slot.node)));
    const { beside, below } = growth.fill(slot, rest);
    if (beside) slots.push(beside);
    if (below.depth <= maxDepth) slots.push(below);
  }
  return growth.tree;
}

/**
 * Algorithm B: fills every slot of value `threshold` or more, asking the draft once a layer.
 *
 * @param rootLaw q after the root. @param expand q after each of some paths of equal length. @param calibration As for {@link growTree}.
 */
export async function growTreeLayered(
  rootLaw: Distribution,
  expand: (paths: readonly Int32Array[]) => Promise<readonly Distribution[]>,
  choice: ChildChoice,
  config: DySpecConfig = {},
  calibration: Calibration | null = null,
): Promise<DraftTree> {
  const { maxNodes, maxDepth, threshold } = parseConfig("growTreeLayered", dySpecConfig, config);
  const growth = new Growth(choice, calibration);
  const filled = (value: number): boolean => value > 0 && value >= threshold * (1 - rounding);
  let layer = [slotOf(-1, 1, 1, rootLaw)];
  for (let depth = 1; depth <= maxDepth && layer.length > 0 && growth.size < maxNodes; depth++) {
    const laws =
      // oxlint-disable-next-line no-await-in-loop -- a layer hangs on the one above it
      depth === 1 ? [rootLaw] : await expand(layer.map(({ node }) => growth.path(node)));
    const next: Slot[] = [];
    layer.forEach((first, i) => {
      let slot: Slot | null = { ...first, rest: laws[i] };
      while (slot?.rest && filled(slot.value) && growth.size < maxNodes) {
        const { beside, below } = growth.fill(slot, slot.rest);
        if (filled(below.value)) next.push(below);
        slot = beside;
      }
    });
    layer = next;
  }
  return growth.tree;
}

export interface DySpecOptions extends Pick<DySpecConfig, "maxDepth"> {
  /** Usually that of the target. Default greedy. */
  readonly sampling?: Partial<Sampling>;
  /** Must be that of the generation. "optimal" draws siblings, which the verifier without replacement tests. Default "seeded". */
  readonly coupling?: Coupling;
  /** Acceptance by R(y), shared by the generations of one pair of models; null takes R(y) itself. Default: a new one. */
  readonly calibration?: Calibration | null;
}

/**
 * A drafter that grows a tree with a draft model, node by node (algorithm A) up to the budget of the round.
 *
 * Seeded: the children of a node are its likeliest tokens under the noise that the target uses there; greedy: its likeliest tokens.
 *
 * @throws InvalidArgumentError for a sampling or a depth out of range.
 */
export async function createDySpec(
  model: LanguageModel,
  options: DySpecOptions = {},
): Promise<Drafter> {
  const sampling = resolveSampling(options.sampling);
  const { maxDepth } = parseConfig("createDySpec", dySpecConfig, { maxDepth: options.maxDepth });
  const greedy = sampling.temperature === 0;
  const drawn = options.coupling === "optimal" && !greedy;
  const calibration = options.calibration === undefined ? new Calibration() : options.calibration;
  // Greedy decoding hides what else the draft thinks: its tree is grown by the law at temperature 1.
  const warped = greedy ? { ...sampling, temperature: 1 } : sampling;
  const cache = new FollowingCache(await model.open());
  return {
    name: "dyspec",
    successors: 0,
    async propose({ ids, budget, key, signal }) {
      const text = Array.from(ids);
      const room = model.contextLength - text.length + 1;
      if (room < 1) return emptyTree;
      const expand = async (path: Int32Array): Promise<Distribution> => {
        const whole = [...text, ...path];
        const logits = await cache.logitsAfter(whole, signal);
        return truncateLaw(processLogits(logits, warped, whole), lawSize);
      };
      const seeded: ChildChoice = {
        drawn: false,
        next: (rest, depth) => sampleGumbel(rest, key.at(text.length + depth - 1, "sample")),
      };
      const draw = drawn ? drawnChildren(key.at(text.length, "draft")) : seeded;
      const bounds = { maxNodes: budget, maxDepth: Math.min(maxDepth, room) };
      const choice = greedy ? likeliestChildren : draw;
      return growTree(await expand(new Int32Array(0)), expand, choice, bounds, calibration);
    },
    observe({ tree, path }) {
      if (calibration) observeSlots(calibration, tree, path);
    },
    dispose() {
      cache.dispose();
    },
  };
}

/** Counts the slots that verification came to: of siblings, those up to the accepted one. */
export function observeSlots(
  calibration: Calibration,
  tree: DraftTree,
  path: ArrayLike<number>,
): void {
  for (let depth = 0; depth <= path.length; depth++) {
    let left = 1;
    for (const child of childrenOf(tree, depth === 0 ? -1 : path[depth - 1])) {
      const accepted = child === path[depth];
      calibration.count(Math.min(1, tree.confidences[child] / left), accepted);
      if (accepted) break;
      left -= tree.confidences[child];
    }
  }
}
