/**
 * Combination: several drafters for one generation, their trees merged, or the first of them that has something to say.
 *
 * The second as in Hu et al., "SAM Decoding: Speculative Decoding via Suffix Automaton", 2024, arXiv:2411.10666, which drafts from a match of at least
 * 5 tokens and otherwise with token recycling or EAGLE.
 *
 * Merged: every drafter is asked for the whole budget; each confidence becomes the rate at which tokens of that confidence of that drafter were
 * accepted; nodes of equal paths are one node with the larger rate; the nodes of the largest path products are kept, up to the budget.
 * First of: drafters are asked in order; the first one whose most confident first token reaches the threshold drafts, else the last one that says
 * anything.
 *
 * Departures: the threshold is on the confidence in place of the match length, so that it is one rule for all drafters: the look-ups of this package
 * give m / (m + 1) after m matched tokens, and 5 / 6 is the paper's 5.
 */
import { InvalidArgumentError, UnsupportedError } from "@veridraft/core-probs";
import { Calibration } from "./calibration.ts";
import type { Drafter, DraftResult } from "./drafter.ts";
import { Members, type Warn } from "./members.ts";
import { childrenOf, type DraftTree, emptyTree, isSampled, selectNodes } from "./tree.ts";

/**
 * One tree of all paths of `trees`: shared prefixes once, with the larger confidence; of its nodes the `budget` with the largest products of confidences
 * down from the root, in the order of the trees (ties: the earlier node).
 *
 * @throws UnsupportedError for a tree with drawn nodes: merging or leaving out what was drawn would bend the law of the text.
 */
export function mergeTrees(trees: readonly DraftTree[], budget = Infinity): DraftTree {
  const tokens: number[] = [];
  const parents: number[] = [];
  const confidences: number[] = [];
  const nodes = new Map<string, number>();
  for (const tree of trees) {
    if (isSampled(tree)) {
      throw new UnsupportedError(
        'mergeTrees: a tree holds drawn tokens, only chosen ones can be merged; draft with the coupling "seeded"',
      );
    }
    const places: number[] = [];
    tree.tokens.forEach((token, i) => {
      const parent = tree.parents[i] < 0 ? -1 : places[tree.parents[i]];
      const key = `${parent},${token}`;
      let node = nodes.get(key);
      if (node === undefined) {
        nodes.set(key, (node = tokens.length));
        tokens.push(token);
        parents.push(parent);
        confidences.push(0);
      }
      confidences[node] = Math.max(confidences[node], tree.confidences[i]);
      places.push(node);
    });
  }
  const products: number[] = [];
  parents.forEach((parent, i) => {
    products.push(confidences[i] * (parent < 0 ? 1 : products[parent]));
  });
  const merged: DraftTree = {
    tokens: Int32Array.from(tokens),
    parents: Int32Array.from(parents),
    laws: tokens.map(() => null),
    confidences: Float32Array.from(confidences),
  };
  // A child is worth no more than its parent and comes after it, so that the best nodes hold their parents.
  const kept = Int32Array.from(products, (_, i) => i)
    .toSorted((a, b) => products[b] - products[a] || a - b)
    .slice(0, Math.min(budget, tokens.length))
    .toSorted();
  return selectNodes(merged, kept);
}

/**
 * A drafter of the merged trees of others. Each is told what became of its own nodes, in its own tree.
 *
 * @param drafters At least one; none that draws its tokens (coupling "optimal" at a temperature above 0): the round then fails with UnsupportedError.
 * They are disposed with this one.
 * @param calibrations One for each drafter; a server shares them among generations. Default: new ones.
 * @param warn Told when a drafter fails, once until it answers again: the round goes on with the others. A round in which all fail fails. Default: a warning
 * of the process.
 * @throws InvalidArgumentError for no drafters.
 */
export function createCombination(
  drafters: readonly Drafter[],
  calibrations: readonly Calibration[] = drafters.map(() => new Calibration()),
  warn: Warn = emitWarning,
): Drafter {
  const common = shared(drafters);
  const members = new Members(warn);
  let proposals: readonly DraftTree[] = [];
  return {
    ...common,
    async propose(context) {
      proposals = await members.askAll(drafters, context);
      const calibrated = proposals.map((tree, i) => ({
        ...tree,
        confidences: tree.confidences.map((confidence) =>
          Math.min(1, calibrations[i].probability(confidence)),
        ),
      }));
      return mergeTrees(calibrated, context.budget);
    },
    observe(result) {
      drafters.forEach((drafter, i) => {
        const own = partOf(result, proposals[i] ?? emptyTree, drafter.successors);
        calibrations[i].observe(own.tree, own.path);
        drafter.observe(own);
      });
      proposals = [];
    },
  };
}

/** The confidence of a token after a match of five. */
const matchOfFive = 5 / 6;

/**
 * A drafter that asks others in order and takes the first proposal whose most confident first token reaches `threshold`, or that is drawn: drawn tokens
 * are never given up for what they are. Where none does, the last proposal that is not empty.
 *
 * @param drafters At least one, disposed with this one; cheap ones first, as those after the one that drafts are not asked.
 * @param warn As {@link createCombination} has it.
 * @throws InvalidArgumentError for no drafters, or a threshold outside [0, 1].
 */
export function createFirstOf(
  drafters: readonly Drafter[],
  threshold = matchOfFive,
  warn: Warn = emitWarning,
): Drafter {
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new InvalidArgumentError(
      `createFirstOf: threshold must be in [0, 1], got ${String(threshold)}`,
    );
  }
  const common = shared(drafters);
  const members = new Members(warn);
  let chosen: { readonly drafter: Drafter; readonly tree: DraftTree } | null = null;
  return {
    ...common,
    async propose(context) {
      chosen = null;
      const failures: unknown[] = [];
      for (const drafter of drafters) {
        // oxlint-disable-next-line no-await-in-loop -- the next one is asked only where this one has little to say
        const tree = await members.ask(drafter, context, failures);
        if (tree.tokens.length === 0) continue;
        chosen = { drafter, tree };
        const first = childrenOf(tree, -1).map((child) => tree.confidences[child]);
        // Confidences are float32.
        if (isSampled(tree) || Math.max(...first) >= Math.fround(threshold)) break;
      }
      if (failures.length === drafters.length) throw failures[0];
      return chosen?.tree ?? emptyTree;
    },
    observe(result) {
      for (const drafter of drafters) {
        const tree = chosen?.drafter === drafter ? chosen.tree : emptyTree;
        drafter.observe(partOf(result, tree, drafter.successors));
      }
      chosen = null;
    },
  };
}

function emitWarning(message: string): void {
  process.emitWarning(message);
}

/** What a drafter of several is, whatever it proposes. */
function shared(
  drafters: readonly Drafter[],
): Pick<Drafter, "name" | "successors" | "tapWidth" | "dispose"> {
  if (drafters.length === 0) {
    throw new InvalidArgumentError("combination: needs at least 1 drafter, got 0");
  }
  return {
    name: drafters.map(({ name }) => name).join("+"),
    successors: Math.max(...drafters.map(({ successors }) => successors)),
    tapWidth: Math.max(...drafters.map(({ tapWidth = 0 }) => tapWidth)),
    dispose() {
      for (const drafter of drafters) drafter.dispose();
    },
  };
}

/** A result in the terms of one drafter: the nodes of its proposal that were verified, and `k` successors a row. */
function partOf(
  { tree, path, successors }: DraftResult,
  proposal: DraftTree,
  k: number,
): DraftResult {
  const width = successors.length / (1 + tree.tokens.length);
  const kept: number[] = [];
  /** Node of the proposal -> node of the verified tree; and back, as node of the part. */
  const places = new Map<number, number>([[-1, -1]]);
  const nodes = new Map<number, number>();
  proposal.tokens.forEach((token, i) => {
    const parent = places.get(proposal.parents[i]);
    if (parent === undefined) return;
    const place = childrenOf(tree, parent).find((child) => tree.tokens[child] === token);
    if (place === undefined || nodes.has(place)) return;
    places.set(i, place);
    nodes.set(place, kept.length);
    kept.push(i);
  });
  const own: number[] = [];
  for (let depth = 0; depth < path.length; depth++) {
    const node = nodes.get(path[depth]);
    if (node === undefined) break;
    own.push(node);
  }
  const rows = [0, ...kept.map((node) => 1 + (places.get(node) ?? -1))];
  return {
    tree: selectNodes(proposal, kept),
    path: own,
    successors: Int32Array.from(
      rows.flatMap((row) => Array.from(successors.subarray(row * width, row * width + k))),
    ),
  };
}
