/**
 * LANTERN: keeps a drafted image token with the summed probability of its nearest neighbors in the codebook, up to a bound. Lossy.
 *
 * Jang et al., "LANTERN: Accelerating Visual Autoregressive Models with Relaxed Speculative Decoding", 2024, arXiv:2410.03355; Park et al.,
 * "LANTERN++: Enhancing Relaxed Speculative Decoding with Static Tree Drafting for Visual Auto-regressive Models", 2025, arXiv:2502.06352.
 *
 * For a child x of the law R and the target's remainder P: A = the longest prefix of the k nearest neighbors of x whose mass S under P is at most
 * delta (LANTERN) or (lambda - 1) P(x) (LANTERN++). P'(x) = P(x) + S, P'(A) = 0, else P' = P.
 * Accept x with min(1, P'(x) / R(x)); otherwise P = norm(max(P' - R, 0)) and the next child is tried; no child accepted: y ~ P.
 * Greedy: accept x where p(x) + S is at least the largest other p.
 *
 * Departures: a rejection takes the mass of A only, as the papers say; the authors' code takes that of all k + 1 nearest codes (`rejection: "repo"`).
 * TV(P', P) = S, but the law of the text may be farther from p than the bound: several siblings and drawn drafts add up.
 */
import {
  argmax,
  type Distribution,
  InvalidArgumentError,
  probabilityOf,
} from "@veridraft/core-probs";
import { z } from "zod";
import { parseConfig } from "./config.ts";
import { type NeighborTable, neighborTable } from "./neighbor-table.ts";
import {
  acceptanceRatio,
  lawOfNode,
  moveMass,
  type Remainder,
  remainingProbability,
  removeLaw,
} from "./remainder.ts";
import { topDown } from "./top-down.ts";
import { childrenOf, type DraftTree } from "./tree.ts";
import type { Verifier } from "./verifier.ts";

/** Options of {@link createLantern} and {@link createGreedyLantern}; one of delta and lambda. */
export const lanternConfig = z
  .strictObject({
    k: z.int().min(0).optional().describe("Neighbors looked at; absent: all of the table."),
    delta: z.number().min(0).max(1).optional().describe("Most mass that is moved to a token."),
    lambda: z
      .number()
      .min(1)
      .optional()
      .describe("Most that a token's probability is multiplied by (LANTERN++)."),
    tokenOffset: z.int().min(0).default(0).describe("Token id of the codebook's first code."),
    rejection: z
      .enum(["paper", "repo"])
      .default("paper")
      .describe("Which neighbors lose their mass when a token is rejected."),
  })
  .refine(
    ({ delta, lambda }) => (delta === undefined) !== (lambda === undefined),
    "give one of delta and lambda",
  );
export type LanternConfig = z.output<typeof lanternConfig>;

/** LANTERN where it is chosen by name: its options and its table. */
export const lanternSettings = z.strictObject({
  ...lanternConfig.shape,
  neighbors: neighborTable,
});
export type LanternSettings = z.output<typeof lanternSettings>;

/** Probabilities are float32: a sum that should equal the bound may exceed it by this share. */
const rounding = 1e-6;

/** What a token may take over. */
export interface Aggregate {
  /** A: the neighbors whose mass goes to the token, nearest first. */
  readonly taken: readonly number[];
  /** S: their mass. */
  readonly mass: number;
}

/**
 * The neighbors of `token` whose mass is moved to it. A token that is not in the codebook takes nothing.
 *
 * @param probability Of a token id, under the law that is relaxed.
 */
export function aggregate(
  probability: (token: number) => number,
  token: number,
  table: NeighborTable,
  config: LanternConfig,
): Aggregate {
  const { delta, lambda = 1 } = config;
  const bound = delta ?? (lambda - 1) * probability(token);
  const taken: number[] = [];
  let mass = 0;
  for (const neighbor of nearest(token, table, config)) {
    const sum = mass + probability(neighbor);
    if (sum > bound * (1 + rounding)) break;
    mass = sum;
    taken.push(neighbor);
  }
  return { taken, mass };
}

/** Token ids of the nearest `k` codes, and `extra` more. */
function nearest(token: number, table: NeighborTable, config: LanternConfig, extra = 0): number[] {
  const { k = table.k - extra, tokenOffset } = config;
  const code = token - tokenOffset;
  if (code < 0 || code >= table.size) return [];
  const end = code * table.k + k + extra;
  return Array.from(table.ids.subarray(code * table.k, end), (id) => id + tokenOffset);
}

function parse(table: NeighborTable, owner: string, config: z.input<typeof lanternConfig>) {
  const settings = parseConfig(owner, lanternConfig, config);
  // The authors' code looks one code further than k when it rejects.
  const most = settings.rejection === "repo" ? table.k - 1 : table.k;
  const { k = most } = settings;
  if (k > most) {
    throw new InvalidArgumentError(
      `${owner}: k must be at most ${most} with a table of ${table.k} neighbors, got ${k}`,
    );
  }
  return { ...settings, k };
}

/**
 * A verifier for every tree of image tokens.
 *
 * @throws InvalidArgumentError for a config out of range.
 */
export function createLantern(
  table: NeighborTable,
  config: z.input<typeof lanternConfig>,
): Verifier {
  const settings = parse(table, "createLantern", config);
  return {
    name: "lantern",
    lossless: false,
    verify: (tree, target, position, key) =>
      topDown(tree, target, position, key, () => (rest, node, accept) => {
        const relaxed = relax(rest, tree.tokens[node], table, settings);
        if (accept.bernoulli(Math.min(1, acceptanceRatio(relaxed, tree, node)))) return null;
        return reject(relaxed, tree, node, table, settings);
      }),
  };
}

/** P': the mass of A at the token. */
function relax(
  rest: Remainder,
  token: number,
  table: NeighborTable,
  config: LanternConfig,
): Remainder {
  const { taken, mass } = aggregate((id) => remainingProbability(rest, id), token, table, config);
  return mass > 0 ? moveMass(rest, token, taken) : rest;
}

function reject(
  relaxed: Remainder,
  tree: DraftTree,
  node: number,
  table: NeighborTable,
  config: LanternConfig,
): Remainder {
  const law = lawOfNode(tree, node);
  const near = config.rejection === "repo" ? nearest(tree.tokens[node], table, config, 1) : [];
  if (near.length === 0) return removeLaw(relaxed, law, relaxed.mass);
  const all = {
    ids: Int32Array.from(near).toSorted(),
    probs: new Float32Array(near.length).fill(1),
  };
  return removeLaw(removeLaw(relaxed, all, near.length * relaxed.mass), law, relaxed.mass);
}

/**
 * The greedy rule, for a target law that is not greedy itself (temperature 1): draws nothing, and the token after the path is the argmax.
 *
 * @throws InvalidArgumentError for a config out of range.
 */
export function createGreedyLantern(
  table: NeighborTable,
  config: z.input<typeof lanternConfig>,
): Verifier {
  const settings = parse(table, "createGreedyLantern", config);
  return {
    name: "greedy-lantern",
    lossless: false,
    verify(tree, target) {
      const path: number[] = [];
      for (let node = -1; ;) {
        const law = target(node);
        const child = childrenOf(tree, node).find((i) => {
          const token = tree.tokens[i];
          const own = probabilityOf(law, token);
          const { mass } = aggregate((id) => probabilityOf(law, id), token, table, settings);
          return own + mass >= largestBeside(law, token);
        });
        if (child === undefined) {
          const best = argmax(law.probs);
          return { path, next: law.ids === null ? best : law.ids[best] };
        }
        path.push((node = child));
      }
    },
  };
}

/** The largest probability of a token other than this one. */
function largestBeside({ ids, probs }: Distribution, token: number): number {
  let largest = 0;
  for (let j = 0; j < probs.length; j++) {
    if (probs[j] > largest && (ids === null ? j : ids[j]) !== token) largest = probs[j];
  }
  return largest;
}
