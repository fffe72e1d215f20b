import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { piecePadding, PieceTable } from "../src/piece-table.ts";

describe("PieceTable", () => {
  it("is a map from bytes, for pieces of all lengths, zeros among them", () => {
    const piece = fc.uint8Array({ minLength: 1, maxLength: 20, max: 3 });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const table = new PieceTable(0);
        const expected = new Map<string, number>();
        const check = (bytes: Uint8Array): number => {
          const view = new DataView(
            Uint8Array.from([7, ...bytes, ...new Uint8Array(piecePadding).fill(9)]).buffer,
          );
          const found = table.find(view, 1, bytes.length);
          expect(found).toBe(expected.get(bytes.join()) ?? -1);
          if (found < 0) {
            table.add(view, 1, bytes.length, expected.size);
            expected.set(bytes.join(), expected.size);
          }
          return found;
        };
        for (const bytes of pieces) check(bytes);
        for (const bytes of pieces) expect(check(bytes)).toBeGreaterThanOrEqual(0);
        expect(table.size).toBe(expected.size);
        table.clear();
        expected.clear();
        for (const bytes of pieces.slice(0, 1)) expect(check(bytes)).toBe(-1);
      }),
      { seed: 3 },
    );
  });
});
