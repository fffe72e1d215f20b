const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);

/** A GGUF file with text and u32 metadata and no tensors. */
export function tinyGguf(metadata: Readonly<Record<string, string | number>>): Buffer {
  const text = (value: string): Buffer =>
    Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
  const entries = Object.entries(metadata);
  return Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(0),
    u64(entries.length),
    ...entries.flatMap(([key, value]) =>
      typeof value === "string"
        ? [text(key), u32(8), text(value)]
        : [text(key), u32(4), u32(value)],
    ),
  ]);
}
