/**
 * Key and value rows that stay in the memory of a device: the tensors that the session gave, fed back as they are. Rows after the committed ones stand
 * there until the next run, whose mask leaves them out and which writes over them. Sequences that were forked share tensors.
 */
import type { Tensor } from "onnxruntime-node";
import type { ByteBudget } from "./byte-budget.ts";
import { bytesOfRows, type KvShape, kvTensors } from "./kv-pool.ts";
import type { FullCache } from "./sequence-cache.ts";

/** Tensors that one or more sequences share. */
interface Held {
  readonly tensors: readonly Tensor[];
  readonly rows: number;
  owners: number;
}

/** The rows of one sequence. */
export class DeviceCache implements FullCache {
  readonly tokens: number[];
  readonly isCausal = true;
  private readonly shape: KvShape;
  private readonly budget: ByteBudget;
  private held: Held;

  private constructor(shape: KvShape, budget: ByteBudget, tokens: number[], held: Held) {
    this.shape = shape;
    this.budget = budget;
    this.tokens = tokens;
    this.held = held;
  }

  /** An empty one. */
  static open(shape: KvShape, budget: ByteBudget): DeviceCache {
    return new DeviceCache(shape, budget, [], noRows(shape));
  }

  get length(): number {
    return this.tokens.length;
  }

  get bytes(): number {
    return bytesOfRows(this.shape, this.held.rows);
  }

  /** The rows before and after a run are there at the same time. */
  reserve(_from: number, to: number): void {
    this.budget.makeRoom(bytesOfRows(this.shape, Math.max(to, this.held.rows)));
  }

  past(length: number): readonly Tensor[] {
    if (length === 0) this.replace(noRows(this.shape));
    return this.held.tensors;
  }

  keep(present: readonly Tensor[]): void {
    this.replace({ tensors: present, rows: present[0].dims[2], owners: 1 });
  }

  commit(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) this.tokens.push(tokens[i]);
  }

  /** Trees do not branch here, so that a path is the first of the rows. */
  commitPath(nodes: ArrayLike<number>, tokens: ArrayLike<number>): void {
    for (let i = 0; i < nodes.length; i++) this.tokens.push(tokens[nodes[i]]);
  }

  truncate(length: number): void {
    this.tokens.length = length;
  }

  fork(length = this.length): DeviceCache {
    this.held.owners++;
    return new DeviceCache(this.shape, this.budget, this.tokens.slice(0, length), this.held);
  }

  dispose(): void {
    this.replace(noRows(this.shape));
  }

  private replace(held: Held): void {
    const old = this.held;
    this.held = held;
    this.budget.take(bytesOfRows(this.shape, held.rows));
    old.owners--;
    if (old.owners > 0) return;
    for (const tensor of old.tensors) tensor.dispose();
    this.budget.give(bytesOfRows(this.shape, old.rows));
  }
}

function noRows(shape: KvShape): Held {
  return { tensors: kvTensors(shape, 0), rows: 0, owners: 1 };
}
