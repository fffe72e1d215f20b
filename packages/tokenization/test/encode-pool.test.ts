import { describe, expect, it } from "vitest";
import { createEncodePool } from "@veridraft/tokenization/encode-pool";
import { smallTokenizer } from "./vocabularies.ts";

const tokenizer = smallTokenizer(["h e", "l l", "he ll", "hell o", "Ġ hello"], ["<|x|>"]);

describe("createEncodePool()", () => {
  it("gives the ids of each text, in order, from several threads", async () => {
    const pool = createEncodePool(tokenizer, 2);
    const texts = Array.from({ length: 40 }, (_, i) => `hello ${i} <|x|> é `.repeat(i * 60));
    const [batch, empty, small] = await Promise.all([
      pool.encode(texts),
      pool.encode([]),
      pool.encode(["hello"]),
    ]);
    for (const [i, text] of texts.entries()) {
      expect(batch.ids.subarray(batch.starts[i], batch.starts[i + 1])).toEqual(
        tokenizer.encode(text),
      );
    }
    expect(batch.ids.length).toBe(batch.starts[texts.length]);
    expect([...empty.starts]).toEqual([0]);
    expect(small.ids).toEqual(tokenizer.encode("hello"));
    await pool.dispose();
    await expect(pool.encode(["hello"])).rejects.toThrow(
      "EncodePool.encode: the pool is disposed of",
    );
  });

  it("rejects a number of threads that is none", () => {
    expect(() => createEncodePool(tokenizer, 0)).toThrow(
      "createEncodePool: threads must be an integer >= 1, got 0",
    );
  });
});
