/** Milliseconds between two lines. */
const interval = 5000;

/** Counts the tokens of a stage, and says on stderr how far it is. */
export class TokenProgress {
  private readonly stage: string;
  private readonly before: number;
  private readonly wanted: number;
  private readonly start = performance.now();
  private tokens: number;
  private shown = 0;

  /** @param before Tokens that an earlier run left. */
  constructor(stage: string, before: number, wanted: number) {
    this.stage = stage;
    this.before = before;
    this.wanted = wanted;
    this.tokens = before;
  }

  get done(): boolean {
    return this.tokens >= this.wanted;
  }

  add(tokens: number): void {
    const wasDone = this.done;
    this.tokens += tokens;
    const now = performance.now();
    if (wasDone || (now - this.shown < interval && !this.done)) return;
    this.shown = now;
    const rate = ((this.tokens - this.before) * 1000) / (now - this.start);
    const left = Math.max(0, Math.ceil((this.wanted - this.tokens) / rate));
    process.stderr.write(
      `${this.stage}: ${this.tokens} of ${this.wanted} tokens, ${Math.round(rate)}/s, ${left} s left\n`,
    );
  }
}
