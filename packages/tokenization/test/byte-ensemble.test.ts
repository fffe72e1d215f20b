import {
  arithmeticMean,
  ByteBeam,
  ensembleBytes,
  geometricMean,
} from "@veridraft/tokenization/bytes";
import { expect, test } from "vitest";
import { healingToy, independentToy } from "./byte-models.ts";

// Byte-probs, section 5: a, c, d of two models.
const laws = [Float64Array.of(0.4, 0.6, 0), Float64Array.of(0.7, 0.2, 0.1)];

test("means of two laws", () => {
  expect([...arithmeticMean(laws, [0.5, 0.5])]).toEqual(
    [0.55, 0.4, 0.05].map((p) => expect.closeTo(p, 9)),
  );
  expect([...geometricMean(laws, [0.5, 0.5])]).toEqual(
    [0.6044, 0.3956, 0].map((p) => expect.closeTo(p, 4)),
  );
});

const open = ({ model, trie, bos }: typeof healingToy) =>
  ByteBeam.open(model, trie, [bos], { beam: Infinity, threshold: 0 });

test.each([arithmeticMean, geometricMean])("one model is itself", async (mix) => {
  const alone = await open(healingToy);
  const ensemble = ensembleBytes([await open(healingToy)], mix);
  for (const byte of Buffer.from("ab")) {
    // oxlint-disable-next-line no-await-in-loop -- bytes come one after the other
    await Promise.all([alone.advance(byte), ensemble.advance(byte)]);
  }
  const law = alone.next();
  ensemble.next().forEach((p, byte) => expect(p).toBeCloseTo(law[byte], 12));
});

test("models of two vocabularies read the same bytes", async () => {
  const ensemble = ensembleBytes([await open(healingToy), await open(independentToy)]);
  await ensemble.advance(0x61);
  await ensemble.advance(0x62);
  // After ab: c .6 and .425, a .4 and .31944.
  expect(ensemble.next()[0x63]).toBeCloseTo((0.6 + 0.425) / 2, 5);
  expect(ensemble.next()[0x61]).toBeCloseTo((0.4 + 0.31944) / 2, 5);
  ensemble.dispose();
});

test("errors", async () => {
  expect(() => ensembleBytes([])).toThrow("ensembleBytes: needs at least 1 member, got 0");
  const member = await open(healingToy);
  expect(() => ensembleBytes([member], arithmeticMean, [0.5, 0.5])).toThrow(
    "ensembleBytes: 1 members but 2 weights",
  );
  expect(() => ensembleBytes([member], arithmeticMean, [0.5])).toThrow(
    "ensembleBytes: weights must be >= 0 with sum 1, got 0.5",
  );
});
