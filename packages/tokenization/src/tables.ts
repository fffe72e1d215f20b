/**
 * The tables of a tokenizer as one block of bytes, which loads in milliseconds: nothing is parsed, sorted or hashed again.
 *
 * Layout: "VDTT" and a version in 8 bytes, the length of a JSON header, the header, then arrays of little-endian 32-bit integers and of bytes, each at a
 * multiple of 4. The block belongs to this version of the package and to little-endian machines: a cache, not a format for exchange.
 *
 * Does not: SentencePiece, and vocabularies with the heap encoder.
 */
import { ModelFileError, UnsupportedError } from "@veridraft/core-probs/errors";
import { bpeOf, linearReason } from "./bpe.ts";
import { LinearEncoder, PairRules } from "./bpe-linear.ts";
import { byteLevelKind, spellVocabulary } from "./byte-level-kind.ts";
import { kindOf } from "./kind.ts";
import { PairIndex } from "./pair-index.ts";
import { PieceTable } from "./piece-table.ts";
import { createPreTokenizer, type PreTokenizerJson } from "./pre-tokenizer.ts";
import { type Tokenizer, tokenizerOf } from "./tokenizer.ts";

const magic = "VDTT0003";

interface Header {
  readonly preTokenizer: PreTokenizerJson;
  readonly normalizer: "NFC" | null;
  readonly ignoreMerges: boolean;
  readonly specialIds: number[];
  readonly userDefinedIds: number[];
  readonly endIds: number[];
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly addBos: boolean;
  /** Bytes of each array, in order. */
  readonly sizes: number[];
}

/**
 * The tables of a tokenizer, for {@link tokenizerFromTables}.
 *
 * @throws UnsupportedError for SentencePiece and for vocabularies with the heap encoder.
 */
export function saveTables(tokenizer: Tokenizer): Uint8Array {
  const kind = kindOf("saveTables", tokenizer);
  const { vocabulary } = tokenizer;
  const { bpe, tokenBytes, whole } = kind;
  if (
    bpe === undefined ||
    !("merges" in vocabulary) ||
    !(bpe.built.encoder instanceof LinearEncoder)
  ) {
    throw new UnsupportedError(
      "saveTables: only byte-level BPE with the linear encoder has tables, and this tokenizer has another",
    );
  }
  const { rules, lengths, shorter, seconds, edges, nodes } = bpe.built.encoder.tables;
  const { left, right, whole: made, byteIds } = bpe.list;
  const pieces = whole.save();
  const arrays: ArrayBufferView[] = [
    tokenBytes.starts,
    byteIds,
    left,
    right,
    made,
    bpe.built.symbolIds,
    Int32Array.from(bpe.deadIds),
    rules.left,
    rules.right,
    rules.pairs.slots,
    lengths,
    shorter,
    seconds,
    nodes,
    edges.slots,
    pieces.slots,
    pieces.kept,
    tokenBytes.bytes,
  ];
  const header: Header = {
    preTokenizer: vocabulary.preTokenizer.json,
    normalizer: vocabulary.normalizer ?? null,
    ignoreMerges: vocabulary.ignoreMerges,
    specialIds: [...vocabulary.specialIds],
    userDefinedIds: [...vocabulary.userDefinedIds],
    endIds: [...vocabulary.endIds],
    bosId: vocabulary.bosId ?? null,
    eosId: vocabulary.eosId ?? null,
    addBos: vocabulary.addBos,
    sizes: arrays.map((array) => array.byteLength),
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  let size = align(12 + text.length);
  for (const array of arrays) size += align(array.byteLength);
  const block = new Uint8Array(size);
  block.set(new TextEncoder().encode(magic));
  new DataView(block.buffer).setUint32(8, text.length, true);
  block.set(text, 12);
  let at = align(12 + text.length);
  for (const array of arrays) {
    block.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += align(array.byteLength);
  }
  return block;
}

/**
 * The tokenizer whose tables these are. It shares their memory, which must not be written to.
 *
 * @throws ModelFileError where the bytes are not tables of this version, or are cut off.
 */
export function tokenizerFromTables(tables: Uint8Array): Tokenizer {
  // Arrays of 32-bit integers lie at multiples of 4.
  const block = tables.byteOffset % 4 === 0 ? tables : tables.slice();
  const header = readHeader(block);
  let at = align(12 + new DataView(block.buffer, block.byteOffset).getUint32(8, true));
  const views = header.sizes.map((size) => {
    const view = block.subarray(at, at + size);
    at += align(size);
    return view;
  });
  if (at !== block.length) {
    throw new ModelFileError(
      `tokenizerFromTables: the tables take ${at} bytes, got ${block.length}; save them again`,
    );
  }
  let next = 0;
  const bytes = (): Uint8Array => views[next++];
  const ints = (): Int32Array => {
    const view = bytes();
    return new Int32Array(view.buffer, view.byteOffset, view.byteLength / 4);
  };
  const starts = ints();
  const list = { byteIds: ints(), left: ints(), right: ints(), whole: ints() };
  const [symbolIds, deadIds] = [ints(), [...ints()]];
  const [left, right] = [ints(), ints()];
  const rules = new PairRules(left, right, PairIndex.of(ints(), left, right));
  const [lengths, shorter, seconds, nodes] = [ints(), ints(), ints(), ints()];
  const edges = PairIndex.of(ints(), nodes, nodes.subarray(1), 4);
  const encoder = new LinearEncoder({ rules, lengths, shorter, seconds, nodes, edges });
  const whole = PieceTable.of({ slots: ints(), kept: bytes() });
  const tokenBytes = { bytes: bytes(), starts };
  const splitting = {
    preTokenizer: createPreTokenizer(header.preTokenizer),
    normalizer: header.normalizer ?? undefined,
    ignoreMerges: header.ignoreMerges,
  };
  const roles = {
    specialIds: new Set(header.specialIds),
    userDefinedIds: new Set(header.userDefinedIds),
    endIds: new Set(header.endIds),
    bosId: header.bosId ?? undefined,
    eosId: header.eosId ?? undefined,
    addBos: header.addBos,
  };
  const literalIds = new Set([...header.specialIds, ...header.userDefinedIds]);
  const built = { algorithm: "linear", reason: linearReason, encoder, symbolIds, deadIds } as const;
  const bpe = bpeOf(list, built);
  const kind = byteLevelKind(bpe, tokenBytes, literalIds, splitting, whole);
  return tokenizerOf(kind, roles, () => ({
    ...roles,
    ...splitting,
    ...spellVocabulary(tokenBytes, list, literalIds),
  }));
}

function readHeader(block: Uint8Array): Header {
  const decoder = new TextDecoder();
  if (block.length < 12 || decoder.decode(block.subarray(0, 8)) !== magic) {
    throw new ModelFileError(
      `tokenizerFromTables: the bytes do not begin with "${magic}"; save the tables again with this version`,
    );
  }
  const length = new DataView(block.buffer, block.byteOffset).getUint32(8, true);
  try {
    return JSON.parse(decoder.decode(block.subarray(12, 12 + length))) as Header;
  } catch (cause) {
    throw new ModelFileError("tokenizerFromTables: the header is not JSON; save the tables again", {
      cause,
    });
  }
}

function align(size: number): number {
  return (size + 3) & ~3;
}
