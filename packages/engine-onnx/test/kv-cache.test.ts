import { beforeEach, describe, expect, it } from "vitest";
import { ByteBudget } from "../src/byte-budget.ts";
import { KvCache } from "../src/kv-cache.ts";
import { KvPool } from "../src/kv-pool.ts";
import { PrefixCache } from "../src/prefix-cache.ts";

const shape = {
  layers: 1,
  kvHeads: 2,
  headDim: 4,
  cacheType: "f32",
  contextLength: 1000,
} as const;
/** Keys and values of a row. */
const rowBytes = 2 * 2 * 4 * 4;

/** Appends a row for each token, filled with it. */
function append(cache: KvCache, tokens: number[]): void {
  const at = cache.length;
  cache.reserve(at, at + tokens.length);
  const fresh = new Float32Array(4 * tokens.length * 4);
  fresh.forEach((_, i) => (fresh[i] = tokens[Math.floor(i / 4) % tokens.length]));
  cache.write(kindsOf(fresh), 0, tokens.length, at);
  cache.commit(tokens);
}

/** Keys and values, one after the other. */
function kindsOf(fresh: Float32Array): Float32Array[] {
  return [fresh.subarray(0, fresh.length / 2), fresh.subarray(fresh.length / 2)];
}

/** The tokens that the rows are filled with, by every head of keys and values. */
function rowsOf(cache: KvCache): number[] {
  const capacity = cache.tensors[0].dims[2];
  const heads = cache.tensors.flatMap(({ data }) => [0, 1].map((head) => [data, head] as const));
  return Array.from({ length: cache.length }, (_, i) => {
    const values = heads.map(([data, head]) => (data as Float32Array)[(head * capacity + i) * 4]);
    expect(new Set(values).size).toBe(1);
    return values[0];
  });
}

const count = (length: number, first = 1): number[] => Array.from({ length }, (_, i) => first + i);

let prefixes: PrefixCache;
let budget: ByteBudget;
let pool: KvPool;

beforeEach(() => {
  prefixes = new PrefixCache(Infinity);
  budget = new ByteBudget(1000 * rowBytes, () => prefixes.dropOldest());
  pool = new KvPool(shape, budget);
});

/** A sequence of these tokens that has ended. */
function end(tokens: number[]): void {
  const cache = KvCache.open(pool);
  append(cache, tokens);
  prefixes.add(cache);
}

describe("KvCache", () => {
  it("grows, keeps its rows, and gives all memory back", () => {
    const cache = KvCache.open(pool);
    expect(budget.used).toBe(0);
    append(cache, count(200));
    append(cache, count(200, 201));
    expect(rowsOf(cache)).toEqual(count(400));
    cache.dispose();
    expect(budget.used).toBe(0);
  });

  it("moves the rows of a path together", () => {
    const cache = KvCache.open(pool);
    append(cache, [1]);
    cache.reserve(1, 5);
    const tree = [2, 3, 4, 5];
    const fresh = new Float32Array(64).map((_, i) => tree[Math.floor(i / 4) % 4]);
    cache.write(kindsOf(fresh), 0, 4, 1);
    cache.commitPath([0, 2, 3], tree);
    expect(rowsOf(cache)).toEqual([1, 2, 4, 5]);
    expect(cache.tokens).toEqual([1, 2, 4, 5]);
    expect(cache.isCausal).toBe(false);
  });

  it("shares rows with forks until one writes where the other has written", () => {
    const cache = KvCache.open(pool);
    append(cache, count(100));
    const bytes = budget.used;
    const fork = cache.fork();
    expect(budget.used).toBe(bytes);
    append(cache, [101]);
    append(fork, [201]);
    expect(budget.used).toBeGreaterThan(bytes);
    expect(rowsOf(cache)).toEqual(count(101));
    expect(rowsOf(fork)).toEqual([...count(100), 201]);
  });
});

describe("KvPool", () => {
  it("refuses more than its bound, with the figures, and leaves the rows as they were", () => {
    const cache = KvCache.open(pool);
    append(cache, count(500));
    const other = KvCache.open(pool);
    expect(() => append(other, count(600))).toThrow(
      /^engine: \d+ bytes of keys and values beside \d+ in use are more than the bound of 64000; end sequences or raise maxCacheBytes$/,
    );
    expect(rowsOf(cache)).toEqual(count(500));
    append(other, count(100));
    expect(rowsOf(other)).toEqual(count(100));
  });

  it("takes the memory of ended sequences first", () => {
    const ended = KvCache.open(pool);
    append(ended, count(500));
    prefixes.add(ended);
    const cache = KvCache.open(pool);
    append(cache, count(700, 7));
    expect(prefixes.size).toBe(0);
    expect(rowsOf(cache)).toEqual(count(700, 7));
  });
});

describe("PrefixCache", () => {
  it("finds the longest common prefix, all but the last token", () => {
    end(count(20));
    end([...count(30), 99]);
    const found = prefixes.find([...count(30), 7, 8], []);
    expect(found && rowsOf(found as KvCache)).toEqual(count(30));
    const same = prefixes.find(count(20), []);
    expect(same?.tokens).toEqual(count(19));
  });

  it("finds rows of sequences that run, and none of a tree", () => {
    const live = KvCache.open(pool);
    append(live, count(40));
    expect(prefixes.find(count(50), [live])?.length).toBe(40);
    live.isCausal = false;
    expect(prefixes.find(count(50), [live])).toBeNull();
    prefixes.add(live);
    expect(prefixes.size).toBe(0);
  });

  it("does not bother with a few tokens", () => {
    end(count(7));
    expect(prefixes.size).toBe(0);
    end(count(20));
    expect(prefixes.find([1, 2, 3, 4, 5, 6, 7, 90], [])).toBeNull();
  });

  it("keeps the longer of two that begin alike, and forgets the least recently used first", () => {
    end(count(20));
    end(count(25));
    expect(prefixes.size).toBe(1);
    end(count(20, 100));
    prefixes.find(count(25), [])?.dispose();
    prefixes.dropOldest();
    expect(prefixes.find(count(20, 100), [])).toBeNull();
    expect(prefixes.find(count(25), [])?.length).toBe(24);
  });

  it("stays within its bytes", () => {
    prefixes = new PrefixCache(150 * rowBytes);
    for (let i = 0; i < 4; i++) end(count(20, 100 * i));
    expect(prefixes.size).toBe(2);
    for (const i of [0, 1]) expect(prefixes.find(count(20, 100 * i), [])).toBeNull();
  });
});
