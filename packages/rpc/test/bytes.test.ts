import {
  decodeFloat32,
  decodeFloat64,
  decodeInt32,
  decodeUint32,
  encodeFloat32,
  encodeFloat64,
  encodeInt32,
  encodeUint32,
} from "@veridraft/rpc";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

/** As a decoded message holds bytes: a view at an odd offset of a larger buffer. */
function view(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(bytes.length + 9).fill(0xff);
  larger.set(bytes, 3);
  return larger.subarray(3, 3 + bytes.length);
}

describe("encode", () => {
  it("writes little-endian", () => {
    expect([...encodeUint32([1, 0xff000000])]).toEqual([1, 0, 0, 0, 0, 0, 0, 0xff]);
    expect([...encodeInt32([-2])]).toEqual([0xfe, 0xff, 0xff, 0xff]);
    // IEEE 754: 1 is 0x3f800000 and 0x3ff0000000000000.
    expect([...encodeFloat32([1])]).toEqual([0, 0, 0x80, 0x3f]);
    expect([...encodeFloat64([1])]).toEqual([0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
  });

  it("refuses what the type cannot hold", () => {
    expect(() => encodeUint32([0, -1])).toThrow(new RangeError("encodeUint32: [1] is -1"));
    expect(() => encodeUint32([2 ** 32])).toThrow(RangeError);
    expect(() => encodeInt32([2 ** 31])).toThrow(RangeError);
    expect(() => encodeInt32([0.5])).toThrow(new RangeError("encodeInt32: [0] is 0.5"));
  });
});

describe("round trip", () => {
  it("keeps every integer, whatever the alignment", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (values) => {
        const decoded = decodeInt32(view(encodeInt32(values)), "f", values.length);
        expect(decoded).toEqual(Int32Array.from(values));
        expect(decoded.byteOffset).toBe(0);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 })), (values) => {
        const decoded = decodeUint32(view(encodeUint32(values)), "f", values.length);
        expect(decoded).toEqual(Uint32Array.from(values));
      }),
    );
  });

  it("keeps every bit of a float", () => {
    fc.assert(
      fc.property(fc.float32Array(), fc.float64Array(), (singles, doubles) => {
        expect(decodeFloat32(view(encodeFloat32(singles)), "f", singles.length)).toEqual(singles);
        expect(decodeFloat64(view(encodeFloat64(doubles)), "f", doubles.length)).toEqual(doubles);
      }),
    );
  });

  it("gives an array that the caller owns", () => {
    const bytes = encodeInt32([7]);
    const decoded = decodeInt32(bytes, "ids", 1);
    bytes[0] = 9;
    expect(decoded[0]).toBe(7);
  });
});

describe("decode", () => {
  it("names the field and both lengths", () => {
    expect(() => decodeInt32(new Uint8Array(7), "open.ids", 9)).toThrow(
      "open.ids: 7 bytes are not a multiple of 4",
    );
    expect(() => decodeFloat64(new Uint8Array(12), "log_probs", 9)).toThrow(
      "log_probs: 12 bytes are not a multiple of 8",
    );
    expect(() => decodeUint32(new Uint8Array(12), "commit", 2)).toThrow(
      "commit: at most 2 numbers, got 3",
    );
  });
});
