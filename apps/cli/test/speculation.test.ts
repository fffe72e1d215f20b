import { readFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng, type Distribution, sample } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { argmax } from "@veridraft/core-probs";
import { chain, createPromptLookup, type Drafter } from "@veridraft/spec-decoding";
import { describe, expect, it } from "vitest";
import { checkLossless, chiSquareScore, placeOf } from "../src/lossless.ts";
import { run } from "./run.ts";

const timeout = 120_000;

describe("placeOf()", () => {
  const law: Distribution = { ids: null, probs: Float32Array.of(0.2, 0.5, 0.2, 0.1, 0) };

  it("puts a token after the likelier ones, equal ones by v, and a forbidden one last", () => {
    expect(placeOf(1, law, 0.5)).toBeCloseTo(0.25, 6);
    expect(placeOf(0, law, 0.5)).toBeCloseTo(0.7, 6);
    expect(placeOf(2, law, 0.25)).toBeCloseTo(0.6, 6);
    expect(placeOf(3, law, 0)).toBeCloseTo(0.9, 6);
    expect(placeOf(4, law, 0)).toBe(1);
  });

  it("is uniform for draws of the law, and not for those of another", () => {
    const score = (drawn: Distribution): number => {
      const counts = new Float64Array(20);
      for (let i = 0; i < 4000; i++) {
        const token = sample(drawn, createRng(3).at(i, "sample"));
        const u = placeOf(token, law, createRng(3).at(i, "accept").uniform());
        counts[Math.min(19, Math.floor(u * 20))]++;
      }
      return chiSquareScore(counts, 4000);
    };
    expect(Math.abs(score(law))).toBeLessThan(3);
    expect(score({ ids: null, probs: Float32Array.of(0.2, 0.56, 0.14, 0.1, 0) })).toBeGreaterThan(
      3.72,
    );
  });
});

describe("checkLossless()", () => {
  const rows = Array.from({ length: 16 }, (_, i) =>
    Array.from({ length: 16 }, (__, j) => (1 + ((i * 7 + j * j * 5) % 11)) ** 2),
  ).map((weights) => {
    const sum = weights.reduce((all, weight) => all + weight);
    return weights.map((weight) => weight / sum);
  });
  const subject = {
    model: tableModel(rows),
    prompts: Array.from({ length: 30 }, (_, i) => [i % 16, (3 * i + 1) % 16, (i * i) % 16]),
    draft: async () => createPromptLookup(),
    sampling: { temperature: 1 },
    options: { maxTokens: 80, numSpeculativeTokens: 3 },
  };

  /** Drafts the likeliest tokens of another law and says that they were drawn from it: the ratio test then bends the law of the text. */
  const pretender = async (): Promise<Drafter> => {
    const laws = rows.map((row) => {
      const probs = Float32Array.from(row, (p, j) => (p + (j % 3 === 0 ? 0.1 : 0)) / 1.6);
      return { ids: null, probs };
    });
    return {
      name: "pretender",
      successors: 0,
      async propose({ ids, budget }) {
        const drafted: number[] = [];
        for (let at = ids[ids.length - 1]; drafted.length < budget;) {
          drafted.push((at = argmax(laws[at].probs)));
        }
        const before = [ids[ids.length - 1], ...drafted];
        return chain(
          drafted,
          drafted.map(() => 0.5),
          drafted.map((_, i) => laws[before[i]]),
        );
      },
      observe() {},
      dispose() {},
    };
  };

  it("finds that a ratio test on tokens that were not drawn bends the law", async () => {
    const options = { ...subject.options, coupling: "optimal", verifier: "standard" } as const;
    const findings = await checkLossless({ ...subject, draft: pretender, options });
    const held = Object.fromEntries(findings.map(({ property, holds }) => [property, holds]));
    expect(held).toEqual({ greedy: true, law: false, "log-probs": true });
  });

  it("finds that typical acceptance changes the law", async () => {
    const options = { ...subject.options, coupling: "optimal", verifier: "typical" } as const;
    const findings = await checkLossless({ ...subject, options });
    expect(findings.find(({ property }) => property === "law")?.holds).toBe(false);
  });

  it("finds nothing where nothing is wrong", async () => {
    for (const coupling of ["seeded", "optimal"] as const) {
      const findings = await checkLossless({
        ...subject,
        options: { ...subject.options, coupling },
      });
      expect(findings.filter(({ holds }) => !holds)).toEqual([]);
      expect(findings).toHaveLength(coupling === "seeded" ? 4 : 3);
    }
  });
});

describe("veridraft check-lossless", () => {
  it("gives a verdict with numbers", { timeout }, async () => {
    const { code, out, err } = await run(
      ["check-lossless", "--max-tokens", "6", "--prompts", "3"],
      {},
      timeout,
    );
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/\| greedy +\| holds \| 3 of 3 texts/);
    expect(out).toMatch(/\| log-probs +\| holds \| largest difference 0\.0e\+0/);
    expect(out).toMatch(/\nLossless: auto, seeded coupling; logits are bitwise independent/);
  });
});

describe("veridraft bench speculation", () => {
  it("prints a table and writes it between its markers", { timeout }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "veridraft-speculation-"));
    try {
      const readme = join(folder, "README.md");
      writeFileSync(
        readme,
        "# A\n\n<!-- bench speculation -->\nold\n<!-- /bench speculation -->\nB\n",
      );
      const flags = "--prompts 1 --max-tokens 6 --temperatures 0 --drafters suffix --readme";
      const { code, out } = await run(
        ["bench", "speculation", ...flags.split(" "), readme],
        {},
        timeout,
      );
      expect(code).toBe(0);
      const content = readFileSync(readme, "utf8");
      expect(content).toContain(out.trim());
      expect(content).toMatch(/^# A\n\n<!-- bench speculation -->\n\n\| /);
      expect(content).toMatch(/\n<!-- \/bench speculation -->\nB\n$/);
      expect(out).toMatch(/\| T = 0 \| suffix +\| match +\| +\d\.\d\d \(\d\.\d\d\)/);
      expect(out).not.toContain("DIFFER");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
