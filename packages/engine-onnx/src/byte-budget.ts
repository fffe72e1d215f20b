import { ResourceExhaustedError } from "@veridraft/core-probs";

/** Counts the bytes of keys and values, up to a bound. */
export class ByteBudget {
  private readonly maxBytes: number;
  private readonly giveUp: () => boolean;
  private taken = 0;

  /**
   * @param maxBytes Most bytes.
   * @param giveUp Gives something up where they are all in use; false where there is nothing left to give up.
   */
  constructor(maxBytes: number, giveUp: () => boolean) {
    this.maxBytes = maxBytes;
    this.giveUp = giveUp;
  }

  /** Bytes in use. */
  get used(): number {
    return this.taken;
  }

  /** Gives things up until there is room. @throws ResourceExhaustedError where that is not enough. */
  makeRoom(bytes: number): void {
    while (this.taken + bytes > this.maxBytes) {
      if (!this.giveUp()) {
        throw new ResourceExhaustedError(
          `engine: ${bytes} bytes of keys and values beside ${this.taken} in use are more than the bound of ${this.maxBytes}; end sequences or raise maxCacheBytes`,
        );
      }
    }
  }

  take(bytes: number): void {
    this.taken += bytes;
  }

  give(bytes: number): void {
    this.taken -= bytes;
  }
}
