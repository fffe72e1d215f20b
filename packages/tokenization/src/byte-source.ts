import {
  argmax,
  DegenerateDistributionError,
  InvalidArgumentError,
  type RngKey,
} from "@veridraft/core-probs";

/** The symbol after the 256 bytes: the text ends. */
export const endOfBytes = 256;

/** Symbols of a law over bytes: 256 bytes and the end. */
export const byteSymbols = 257;

/** Something that gives laws over the next byte of a text, byte by byte. */
export interface ByteSource {
  /** Probabilities [257] of each byte and of the end of the text; they add up to 1. */
  next(): Float64Array;
  /** Takes `byte` as the next one. */
  advance(byte: number): Promise<void>;
  dispose(): void;
}

/** Scales masses to a law, in place. @throws DegenerateDistributionError where there is no mass. */
export function normalizeInPlace(caller: string, masses: Float64Array): Float64Array {
  let total = 0;
  for (const mass of masses) total += mass;
  if (!(total > 0)) throw new DegenerateDistributionError(`${caller}: no byte has any mass`);
  for (let i = 0; i < masses.length; i++) masses[i] /= total;
  return masses;
}

export interface ByteSampling {
  /** Of bytes, not of tokens; below .1 the likeliest byte is taken. Default 0.6. */
  readonly temperature?: number;
  /** Keeps the likeliest bytes up to this mass. Default 1. */
  readonly topP?: number;
  /** Default 500. */
  readonly maxBytes?: number;
}

/** Keeps bytes possible that a model excludes by rounding, as the source does. */
const smallest = 1e-7;

/**
 * The law that a byte is drawn from: (p + 1e-7)^(1 / temperature), normalized, of which the likeliest symbols of a mass of `topP` stay. Ties: the lowest.
 *
 * @throws InvalidArgumentError for a temperature below 0 or `topP` outside (0, 1].
 */
export function warpByteLaw(
  law: Float64Array,
  { temperature = 0.6, topP = 1 }: ByteSampling = {},
): Float64Array {
  if (!(temperature >= 0)) {
    throw new InvalidArgumentError(
      `warpByteLaw: temperature must be at least 0, got ${temperature}`,
    );
  }
  if (!(topP > 0 && topP <= 1)) {
    throw new InvalidArgumentError(`warpByteLaw: topP must be in (0, 1], got ${topP}`);
  }
  const warped = new Float64Array(law.length);
  if (temperature < 0.1) {
    warped[argmax(law)] = 1;
    return warped;
  }
  for (let i = 0; i < law.length; i++) warped[i] = (law[i] + smallest) ** (1 / temperature);
  normalizeInPlace("warpByteLaw", warped);
  if (topP === 1) return warped;
  const order = Array.from(warped.keys()).toSorted((a, b) => warped[b] - warped[a] || a - b);
  let mass = 0;
  for (const symbol of order) {
    if (mass >= topP) warped[symbol] = 0;
    else mass += warped[symbol];
  }
  return normalizeInPlace("warpByteLaw", warped);
}

/**
 * Draws bytes one after the other until the text ends or `maxBytes` are drawn; the source stands after the last one.
 *
 * @param key Position i of its streams is that of byte i.
 */
export async function* sampleBytes(
  source: ByteSource,
  options: ByteSampling,
  key: RngKey,
): AsyncGenerator<number, void> {
  const { maxBytes = 500 } = options;
  for (let i = 0; i < maxBytes; i++) {
    const symbol = key.at(i, "sample").categorical(warpByteLaw(source.next(), options));
    if (symbol === endOfBytes) return;
    // oxlint-disable-next-line no-await-in-loop -- every byte decides the law of the next one
    await source.advance(symbol);
    yield symbol;
  }
}
