import {
  createRng,
  type Distribution,
  processLogits,
  resolveSampling,
  type RngKey,
} from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  boxedAnswer,
  createLawModel,
  judgeTrace,
  type RsdConfig,
  rsdLaw,
  rsdLaws,
  rsdStep,
  type RsdTrace,
  rsdTrace,
  selectTrace,
  surprise,
  surpriseOf,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { law } from "./reference-verifier.ts";
import { chiSquareZ, randomRows } from "./support.ts";
import { draftRows, targetRows, toyDraft, toyTarget } from "./toy3.ts";

const q = law([0.6, 0.3, 0.08, 0.02]);
const p = law([0.005, 0.5, 0.4, 0.095]);
const lawOf = (config: RsdConfig, teacher: Distribution = q, student: Distribution = p) =>
  rsdLaw(rsdLaws(teacher, student, student, config), 4, config);

const traceOf = (length: number, fallbackRate: number, stopped = true): RsdTrace => ({
  tokens: [],
  ids: Array.from({ length }, () => 0),
  stopped,
  fallbackRate,
});

describe("vectors of the spec", () => {
  test.each<[RsdConfig, number, number[]]>([
    [{}, 0.07776, [0.0003888, 0.73056, 0.215552, 0.0534992]],
    [{ trials: 1 }, 0.6, [0.003, 0.6, 0.32, 0.077]],
  ])("%o", (config, rate, expected) => {
    const { probs, fallbackRate } = lawOf(config);
    expect(fallbackRate).toBeCloseTo(rate, 6);
    expected.forEach((mass, id) => expect(probs[id]).toBeCloseTo(mass, 6));
  });

  test("a student cut to its two likeliest tokens", () => {
    const laws = { ...rsdLaws(q, p, p), ...pick(rsdLaws(p, p, p, { topK: 2 })) };
    const { probs, fallbackRate } = rsdLaw(laws, 4);
    expect(fallbackRate).toBeCloseTo(0.09161328, 6);
    [0, 0.76804368, 0.23195632, 0].forEach((mass, id) => expect(probs[id]).toBeCloseTo(mass, 6));
  });

  test("what is tested: token 2 is outside the nucleus, but not unlikely", () => {
    const logits = Float32Array.of(2, 1, 0, -3);
    const raw = processLogits(logits, resolveSampling({ temperature: 1 }), []);
    const processed = processLogits(logits, resolveSampling({ temperature: 0.7, topP: 0.95 }), []);
    [0.662272, 0.243636, 0.089629, 0.004462].forEach((mass, id) =>
      expect(raw.probs[id]).toBeCloseTo(mass, 6),
    );
    expect(processed.probs[0]).toBeCloseTo(0.806679, 6);
    expect(processed.probs[1]).toBeCloseTo(0.193321, 6);
    expect(rsdLaws(q, processed, raw).student(2)).toBe(0);
    expect(rsdLaws(q, processed, raw, { acceptOn: "raw" }).student(2)).toBeCloseTo(0.089629, 6);
  });

  test("surprise", () => {
    const { share, meanSurprisal } = surprise([0.9, 0.004, 0.3, 0.009, 0.62]);
    expect(share).toBeCloseTo(0.4, 12);
    expect(meanSurprisal).toBeCloseTo(2.403872, 6);
    expect(() => surprise([])).toThrow("surprise: no probabilities");
  });

  test("selection: the shortest that is right and fell back at most half the time", () => {
    const [a, b, c, d] = [traceOf(40, 0), traceOf(35, 0.6), traceOf(50, 0.1), traceOf(44, 0.2)];
    const endless = traceOf(1, 0, false);
    expect(selectTrace([a, b, c, d, endless], (given) => given !== a)).toBe(d);
    expect(selectTrace([a, b, endless], (given) => given !== a)).toBeNull();
  });
});

const wrong = () => false;

describe("boxedAnswer() and judgeTrace()", () => {
  test.each([
    ["so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"],
    ["\\boxed{1} or \\boxed{2}", "2"],
    ["\\boxed{}", ""],
    ["\\boxed{1", null],
    ["boxed{1}", null],
  ])("the last box of %j holds %j", (text, answer) => {
    expect(boxedAnswer(text)).toBe(answer);
  });

  test("the first fault counts, and a fallback rate at the bound is none", () => {
    expect(judgeTrace({ stopped: false, fallbackRate: 1 }, wrong)).toBe("endless");
    expect(judgeTrace({ stopped: true, fallbackRate: 0.51 }, wrong)).toBe("fallback");
    expect(judgeTrace({ stopped: true, fallbackRate: 0.5 }, wrong)).toBe("wrong");
    expect(judgeTrace({ stopped: true, fallbackRate: 0.5 }, () => true)).toBeNull();
  });
});

function pick({ fallback, student }: ReturnType<typeof rsdLaws>) {
  return { fallback, student };
}

describe("laws", () => {
  test.each<RsdConfig>([{}, { trials: 1 }, { trials: 2, threshold: 0.45 }, { topK: 2 }])(
    "steps have the closed form, by enumeration to 1e-9: %o",
    async (config) => {
      const laws = rsdLaws(q, p, p, config);
      const { probs } = rsdLaw(laws, 4, config);
      const total = laws.proposal?.probs.reduce((a, b) => a + b) ?? 1;
      expect(total).toBeCloseTo(1, 6);
      const found = await exactLaw((key: RngKey) => rsdStep(laws, config, key.at(0, "sample")).id);
      // Laws in float32 sum to 1 within 1e-7; the enumeration renormalizes them.
      for (let id = 0; id < 4; id++) expect(found.get(String(id)) ?? 0).toBeCloseTo(probs[id], 6);
    },
  );

  test("limits: threshold 0 is the teacher, above 1 the student; disjoint laws and an empty pool fall back", () => {
    const [teacher, student] = [Array.from(q.probs), Array.from(p.probs)];
    lawOf({ threshold: 0 }).probs.forEach((mass, id) => expect(mass).toBeCloseTo(teacher[id], 6));
    lawOf({ threshold: 2 }).probs.forEach((mass, id) => expect(mass).toBeCloseTo(student[id], 6));
    expect(lawOf({}, law([1, 0, 0, 0]), law([0, 1, 0, 0])).fallbackRate).toBe(1);
    const masked = rsdLaws(law([1, 0, 0, 0]), p, p, {}, new Set([0]));
    expect(masked.proposal).toBeNull();
    expect(rsdStep(masked, {}, createRng(1).at(0, "sample")).fallback).toBe(true);
    expect(rsdLaw(masked, 4).fallbackRate).toBe(1);
  });

  test("fallbacks do not get rarer as the threshold rises", () => {
    const rates = [0, 0.001, 0.01, 0.1, 0.45, 0.6].map(
      (threshold) => lawOf({ threshold }).fallbackRate,
    );
    expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  });

  test("chi-square of 20,000 steps (p > 1e-3)", () => {
    const [teacher, student] = [law(randomRows(20, 1)[0]), law(randomRows(20, 2)[0])];
    const config = { threshold: 0.02 };
    const laws = rsdLaws(teacher, student, student, config);
    const counts = new Float64Array(20);
    const key = createRng(3);
    for (let t = 0; t < 20_000; t++) counts[rsdStep(laws, config, key.at(t, "sample")).id]++;
    expect(chiSquareZ(counts, rsdLaw(laws, 20, config).probs, 20_000)).toBeLessThan(3.09);
  });
});

describe("rsdTrace", () => {
  const teacher = tableModel(randomRows(30, 1));
  const student = tableModel(
    randomRows(30, 2).map((row, i) =>
      row.map((mass, j) => (3 * mass + randomRows(30, 1)[i][j]) / 4),
    ),
  );

  const [ofTeacher, ofStudent] = [createLawModel(teacher), createLawModel(student)];

  test("tokens that did not fall back are likely to the student; the trace says what happened", async () => {
    const trace = await rsdTrace(ofTeacher, ofStudent, [3], { key: createRng(1), maxTokens: 300 });
    expect(trace.ids).toHaveLength(300);
    expect(trace.tokens.every(({ fallback, student: given }) => fallback || given >= 0.01)).toBe(
      true,
    );
    const fell = trace.tokens.filter(({ fallback }) => fallback).length;
    expect(trace.fallbackRate).toBeCloseTo(fell / 300, 12);
    expect(trace.stopped).toBe(false);
  });

  test("easier for the student than the teacher's own text", async () => {
    const options = { key: createRng(2), maxTokens: 400, sampling: { temperature: 1 } };
    const tailored = await rsdTrace(ofTeacher, ofStudent, [3], { ...options, threshold: 0.05 });
    const direct = await rsdTrace(ofTeacher, ofStudent, [3], {
      ...options,
      threshold: 0,
      topK: 30,
    });
    const [easy, hard] = [
      await surpriseOf(student, [3], tailored.ids),
      await surpriseOf(student, [3], direct.ids),
    ];
    expect(easy.meanSurprisal).toBeLessThan(hard.meanSurprisal);
  });

  test("two tokens have the law of the steps, by enumeration", async () => {
    const sampling = { temperature: 1 };
    const config = { threshold: 0.25, trials: 2 };
    const found = await exactLaw(
      async (key: RngKey) =>
        (
          await rsdTrace(createLawModel(toyTarget()), createLawModel(toyDraft()), [3], {
            key,
            sampling,
            maxTokens: 2,
            ...config,
          })
        ).ids,
    );
    const step = (context: number) => {
      const own = law(draftRows[context]);
      return rsdLaw(rsdLaws(law(targetRows[context]), own, own, config), 5, config).probs;
    };
    for (let a = 0; a < 3; a++) {
      for (let b = 0; b < 3; b++) {
        expect(found.get(`${a},${b}`)).toBeCloseTo(step(3)[a] * step(a)[b], 6);
      }
    }
  });

  test("ends at the student's stop id; the teacher reads its own spelling", async () => {
    // The student says 1 then 2; the teacher knows 2 only as 0 0, and so never proposes it.
    const ring = createLawModel(
      tableModel([
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
      ]),
    );
    const trace = await rsdTrace(ring, ring, [0], {
      key: createRng(1),
      stopIds: [2],
      teacherIds: new Map([[2, [0, 0]]]),
    });
    expect(trace.ids).toEqual([1, 2]);
    expect(trace.stopped).toBe(true);
    expect(trace.tokens.map(({ fallback }) => fallback)).toEqual([false, true]);
  });

  test("errors", async () => {
    await expect(rsdTrace(ofTeacher, ofStudent, [], { key: createRng(1) })).rejects.toThrow(
      "rsdTrace: the prompt has no ids",
    );
    await expect(
      rsdTrace(ofTeacher, ofStudent, [1], { key: createRng(1), trials: 0 }),
    ).rejects.toThrow("rsdTrace: trials: ");
  });
});
