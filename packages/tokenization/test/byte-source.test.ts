import { createRng } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { ByteBeam, endOfBytes, sampleBytes, warpByteLaw } from "@veridraft/tokenization/bytes";
import { expect, test } from "vitest";
import { bruteForce, healingToy, independentToy } from "./byte-models.ts";

async function collect(source: AsyncIterable<number>): Promise<string> {
  const bytes: number[] = [];
  for await (const byte of source) bytes.push(byte);
  return Buffer.from(bytes).toString();
}

test("drawn bytes have the law of the tokens' text", async () => {
  const { model, trie, bos, law } = independentToy;
  const drawn = await exactLaw(async (key) => {
    const beam = await ByteBeam.open(model, trie, [bos], { beam: Infinity, threshold: 0 });
    // The mass that the smallest probabilities get is cut off again.
    return collect(sampleBytes(beam, { temperature: 1, topP: 0.999, maxBytes: 3 }, key));
  });
  const whole = [...drawn].filter(([text]) => text.length === 3);
  expect(whole.length).toBeGreaterThan(20);
  for (const [text, p] of whole) expect(p).toBeCloseTo(bruteForce(law, text), 4);
});

test("greedy bytes end where the model does", async () => {
  const { model, trie, bos } = healingToy;
  const beam = await ByteBeam.open(model, trie, [bos]);
  expect(await collect(sampleBytes(beam, { temperature: 0 }, createRng(1)))).toBe("abcd");
});

// (p + 1e-7)^(1 / T): at .5 the squares .25, .09, .04 over .38.
test("temperature and nucleus act on bytes", () => {
  const law = Float64Array.of(0.5, 0.3, 0.2, 0);
  expect([...warpByteLaw(law, { temperature: 0.5 })]).toEqual(
    [0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38, 0].map((p) => expect.closeTo(p, 5)),
  );
  expect([...warpByteLaw(law, { temperature: 1, topP: 0.7 })]).toEqual(
    [0.625, 0.375, 0, 0].map((p) => expect.closeTo(p, 5)),
  );
  expect([...warpByteLaw(law, { temperature: 0.05 })]).toEqual([1, 0, 0, 0]);
  expect(endOfBytes).toBe(256);
});

test("settings out of range", () => {
  const law = Float64Array.of(1);
  expect(() => warpByteLaw(law, { temperature: -1 })).toThrow(
    "warpByteLaw: temperature must be at least 0, got -1",
  );
  expect(() => warpByteLaw(law, { topP: 0 })).toThrow("warpByteLaw: topP must be in (0, 1], got 0");
});
