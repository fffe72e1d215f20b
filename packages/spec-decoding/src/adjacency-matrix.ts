import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";

const magic = 0x4d415456; // "VTAM", little-endian
const headerWords = 4;
const formatVersion = 1;

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

  /** A file of 16 bytes of header (magic, version, vocabSize, k) and the rows, all int32 little-endian. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(4 * (headerWords + this.#rows.length));
    const view = new DataView(bytes.buffer);
    [magic, formatVersion, this.vocabSize, this.k].forEach((word, i) =>
      view.setInt32(4 * i, word, true),
    );
    this.#rows.forEach((id, i) => view.setInt32(4 * (headerWords + i), id, true));
    return bytes;
  }

  /** @throws InvalidArgumentError where the bytes are not those of {@link toBytes}. */
  static fromBytes(bytes: Uint8Array): AdjacencyMatrix {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const header = Array.from({ length: headerWords }, (_, i) =>
      4 * i + 4 <= bytes.length ? view.getInt32(4 * i, true) : -1,
    );
    const [word, version, vocabSize, k] = header;
    if (word !== magic || version !== formatVersion) {
      throw new InvalidArgumentError("AdjacencyMatrix.fromBytes: not an adjacency matrix");
    }
    const size = 4 * (headerWords + vocabSize * k);
    if (bytes.length !== size) {
      throw new InvalidArgumentError(
        `AdjacencyMatrix.fromBytes: ${vocabSize} x ${k} successors need ${size} bytes, got ${bytes.length}`,
      );
    }
    const matrix = new AdjacencyMatrix(vocabSize, k);
    for (let i = 0; i < matrix.#rows.length; i++) {
      const id = view.getInt32(4 * (headerWords + i), true);
      if (id < -1 || id >= vocabSize) {
        throw new InvalidArgumentError(
          `AdjacencyMatrix.fromBytes: successors must be in [-1, ${vocabSize}), got ${id}`,
        );
      }
      matrix.#rows[i] = id;
    }
    return matrix;
  }
}
