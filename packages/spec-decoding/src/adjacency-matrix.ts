import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";

const magic = 0x4d415456; // "VTAM", little-endian
/** Magic, version, vocabSize, k, checksum of the other words. */
const headerWords = 5;
const formatVersion = 2;

/**
 * For every token the ids the target thought likeliest after it when it last saw it, best first. Shared by all generations of a model: it holds no
 * text, only what tends to follow what. vocabSize * k * 4 bytes.
 */
export class AdjacencyMatrix {
  readonly vocabSize: number;
  /** Successors of a token. */
  readonly k: number;
  readonly #rows: Int32Array;

  /** @param k Successors of a token; default 8. */
  constructor(vocabSize: number, k = 8) {
    if (!Number.isInteger(vocabSize) || vocabSize < 1 || !Number.isInteger(k) || k < 1) {
      throw new InvalidArgumentError(
        `AdjacencyMatrix: vocabSize and k must be integers of at least 1, got ${vocabSize} and ${k}`,
      );
    }
    this.vocabSize = vocabSize;
    this.k = k;
    this.#rows = new Int32Array(vocabSize * k).fill(-1);
  }

  /** [k] the successors of a token, best first; -1 where there is none. A view. */
  row(token: number): Int32Array {
    if (!(token >= 0 && token < this.vocabSize)) {
      throw new InvalidArgumentError(
        `AdjacencyMatrix: token must be in [0, ${this.vocabSize}), got ${token}`,
      );
    }
    return this.#rows.subarray(token * this.k, (token + 1) * this.k);
  }

  /**
   * Replaces the rows of `tokens`, in order: of equal tokens the last one wins.
   *
   * @param successors [tokens, k]
   */
  update(tokens: ArrayLike<number>, successors: Int32Array): void {
    if (successors.length !== tokens.length * this.k) {
      throw new ShapeError(
        `AdjacencyMatrix: ${tokens.length} tokens need ${tokens.length * this.k} successors, got ${successors.length}`,
      );
    }
    for (let i = 0; i < tokens.length; i++) {
      this.row(tokens[i]).set(successors.subarray(i * this.k, (i + 1) * this.k));
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#rows.fill(-1);
  }

  /** A file of 20 bytes of header (magic, version, vocabSize, k, checksum) and the rows, all int32 little-endian. */
  toBytes(): Uint8Array {
    const words = new Int32Array(headerWords + this.#rows.length);
    words.set([magic, formatVersion, this.vocabSize, this.k]);
    words.set(this.#rows, headerWords);
    words[headerWords - 1] = checksum(words);
    const bytes = new Uint8Array(4 * words.length);
    const view = new DataView(bytes.buffer);
    words.forEach((word, i) => view.setInt32(4 * i, word, true));
    return bytes;
  }

  /** @throws InvalidArgumentError where the bytes are not those of {@link toBytes}, whole and undamaged. */
  static fromBytes(bytes: Uint8Array): AdjacencyMatrix {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) =>
      view.getInt32(4 * i, true),
    );
    const [word, version, vocabSize, k, sum] = words;
    if (word !== magic || words.length < headerWords) {
      throw damaged("not an adjacency matrix; give what toBytes returned");
    }
    if (version !== formatVersion) {
      throw damaged(`version must be ${formatVersion}, got ${version}; save the matrix again`);
    }
    const size = 4 * (headerWords + vocabSize * k);
    if (bytes.length !== size) {
      throw damaged(
        `${vocabSize} x ${k} successors need ${size} bytes, got ${bytes.length}; save the matrix again`,
      );
    }
    if (checksum(words) !== sum) {
      throw damaged(`checksum must be ${sum}, got ${checksum(words)}; save the matrix again`);
    }
    const matrix = new AdjacencyMatrix(vocabSize, k);
    for (let i = 0; i < matrix.#rows.length; i++) {
      const id = words[headerWords + i];
      if (id < -1 || id >= vocabSize) {
        throw damaged(`successors must be in [-1, ${vocabSize}), got ${id}; save the matrix again`);
      }
      matrix.#rows[i] = id;
    }
    return matrix;
  }
}

/** FNV-1a over words in place of bytes, of everything but the checksum itself: a change of one word always shows. */
function checksum(words: Int32Array): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < words.length; i++) {
    if (i !== headerWords - 1) hash = Math.imul(hash ^ words[i], 0x01000193);
  }
  return hash;
}

function damaged(what: string): InvalidArgumentError {
  return new InvalidArgumentError(`AdjacencyMatrix.fromBytes: ${what}`);
}
