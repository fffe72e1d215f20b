import { lossCurve, type LossPoint } from "@veridraft/autodiff";
import { describe, expect, test } from "vitest";

function path(svg: string, kind: string): number[][] {
  const d = new RegExp(`<path class="${kind}" d="M([^"]*)"`).exec(svg)?.[1] ?? "";
  return d === "" ? [] : d.split("L").map((pair) => pair.split(" ").map(Number));
}

function labels(svg: string): string[] {
  return Array.from(svg.matchAll(/<text[^>]*>([^<]*)</g), ([, text]) => text);
}

const line = (count: number): LossPoint[] =>
  Array.from({ length: count }, (_, i) => ({ step: i + 1, loss: 5 - (4 * i) / (count - 1) }));

describe("lossCurve", () => {
  test("axes have round ticks around the points", () => {
    expect(labels(lossCurve(line(101), "a < b"))).toEqual(
      "a &lt; b,0,20,40,60,80,100,120,1,2,3,4,5,step".split(","),
    );
  });

  test("the raw line joins the points in the place of the axes", () => {
    // x: step 0 at 64, step 120 at 624; y: loss 1 at 320, loss 5 at 36.
    const raw = path(lossCurve(line(101)), "raw");
    expect(raw).toHaveLength(101);
    expect(raw[0]).toEqual([68.7, 36]);
    expect(raw[100]).toEqual([535.3, 320]);
  });

  test("the smooth line is calmer than the raw one and between its bounds", () => {
    const zigzag = Array.from({ length: 1000 }, (_, i) => ({ step: i, loss: i % 2 }));
    const heights = path(lossCurve(zigzag), "smooth")
      .slice(100)
      .map(([, y]) => y);
    expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan((320 - 36) / 10);
  });

  test("many points are thinned, the last one stays", () => {
    const raw = path(lossCurve(line(123_456)), "raw");
    expect(raw.length).toBeLessThanOrEqual(1001);
    expect(raw.at(-1)?.[1]).toBe(320);
  });

  test.each<[string, LossPoint[]]>([
    ["no point", []],
    ["one point", [{ step: 3, loss: 2 }]],
    ["equal losses", line(2).map(({ step }) => ({ step, loss: 7 }))],
    ["losses that are not finite", [{ step: 1, loss: NaN }, ...line(3)]],
  ])("%s", (_, points) => {
    const svg = lossCurve(points);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.startsWith("<svg ") && svg.endsWith("</svg>\n")).toBe(true);
  });
});
