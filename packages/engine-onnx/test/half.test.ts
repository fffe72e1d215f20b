import { toHalf } from "@veridraft/engine-onnx";
import { assert, constantFrom, integer, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { readHalf } from "../src/half.ts";

const half = (bits: number): number => readHalf(Uint8Array.of(bits & 255, bits >> 8), 0);

describe("toHalf()", () => {
  it("gives every half back", () => {
    for (let bits = 0; bits < 65536; bits++) expect(half(toHalf(half(bits)))).toBe(half(bits));
    expect(toHalf(-0)).toBe(0x8000);
  });

  it("takes the nearest, of two the even one", () => {
    assert(
      property(integer({ min: 0, max: 0x7bfe }), constantFrom(0, 0x8000), (bits, sign) => {
        const [low, high] = [half(sign | bits), half(sign | (bits + 1))];
        // Exact in float32, and so are its neighbours a little to each side.
        const middle = (low + high) / 2;
        const step = (high - low) / 64;
        expect(toHalf(middle - step)).toBe(sign | bits);
        expect(toHalf(middle)).toBe(sign | (bits + (bits & 1)));
        expect(toHalf(middle + step)).toBe(sign | (bits + 1));
      }),
    );
  });

  it("is infinite from half a step above the largest, and zero to half a step above zero", () => {
    expect(half(toHalf(65_519.996))).toBe(65_504);
    expect(half(toHalf(65_520))).toBe(Infinity);
    expect(half(toHalf(-1e30))).toBe(-Infinity);
    expect(half(toHalf(2 ** -25))).toBe(0);
    expect(half(toHalf(2 ** -25 + 2 ** -48))).toBe(2 ** -24);
    expect(half(toHalf(2 ** -149))).toBe(0);
  });
});
