import {
  add,
  constant,
  exp,
  grad,
  input,
  jit,
  matmul,
  mul,
  pow,
  round,
  scalar,
  sin,
  stopGradient,
  straightThrough,
  sum,
  type Tensor,
  valueAndGrad,
  vjp,
} from "@veridraft/autodiff";
import { describe, expect, it } from "vitest";
import { runner } from "./gradients.ts";

const vector = (...values: number[]): { data: Float32Array; shape: number[] } => ({
  data: Float32Array.from(values),
  shape: [values.length],
});

/** The second derivative of a function that works element by element. */
function second(f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return grad((x: Tensor) => sum(grad((y: Tensor) => sum(f(y)))(x)));
}

describe("grad()", () => {
  it("gives gradients in the form of the parameters", async () => {
    const run = jit(
      runner,
      grad(({ a, list }: { a: Tensor; list: [Tensor, Tensor] }, x: Tensor) =>
        sum(mul(add(mul(a, list[0]), list[1]), x)),
      ),
    );
    const found = await run({ a: vector(2, 3), list: [vector(5, 7), vector(0, 0)] }, vector(1, 10));
    expect(found).toEqual({ a: vector(5, 70), list: [vector(2, 30), vector(1, 10)] });
    await run.dispose();
  });

  it("sums what comes from several uses", async () => {
    // d/dx sum(x x + e^x x) = 2 x + e^x + x e^x, which is 2 + 2 e at 1.
    const run = jit(
      runner,
      grad((x: Tensor) => sum(add(mul(x, x), mul(exp(x), x)))),
    );
    expect((await run(vector(1))).data[0]).toBeCloseTo(2 + 2 * Math.E, 5);
    await run.dispose();
  });

  it("can be applied again", async () => {
    // sin has second derivative -sin, x^3 has 6 x.
    const run = jit(runner, (x: Tensor) => [second(sin)(x), second((y) => pow(y, 3))(x)]);
    const [ofSin, ofCube] = await run(vector(0.5, 2));
    expect(ofSin.data[0]).toBeCloseTo(-Math.sin(0.5), 6);
    expect(ofSin.data[1]).toBeCloseTo(-Math.sin(2), 6);
    expect(ofCube).toEqual(vector(3, 12));
    await run.dispose();
  });

  it("stops and goes around where it is told to", async () => {
    const run = jit(
      runner,
      grad((x: Tensor) => sum(mul(stopGradient(x), mul(straightThrough(x, round(x)), 2)))),
    );
    // The factor x is a constant, and round(x) passes the gradient on: 2 x.
    expect(await run(vector(0.75, -1.5))).toEqual(vector(1.5, -3));
    await run.dispose();
  });
});

describe("valueAndGrad()", () => {
  it("passes other results on", async () => {
    const run = jit(
      runner,
      valueAndGrad((w: Tensor, x: Tensor): [Tensor, { twice: Tensor }] => {
        const y = sum(mul(w, x));
        return [y, { twice: mul(y, 2) }];
      }),
    );
    const [[value, { twice }], gradients] = await run(vector(1, 2), vector(3, 4));
    expect([value.data[0], twice.data[0], ...gradients.data]).toEqual([11, 22, 3, 4]);
    await run.dispose();
  });

  const w = input("float32", [2]);

  it("names a parameter that the loss does not reach", () => {
    const f = valueAndGrad(({ layers }: { layers: Tensor[] }) => sum(layers[0]));
    expect(() => f({ layers: [w, input("float32", [3])] })).toThrow(
      "grad: the loss does not depend on parameter layers.1, or only through operations without gradient; pass it as a further argument",
    );
    expect(() => valueAndGrad((x: Tensor) => sum(round(x)))(w)).toThrow(
      "grad: the loss does not depend on parameter (the only one), or only through operations without gradient; pass it as a further argument",
    );
  });

  it("names a parameter of integers", () => {
    const f = valueAndGrad(({ table }: { table: Tensor }) => sum(table));
    expect(() => f({ table: input("int32", [2]) })).toThrow(
      "grad: parameter table is int32, and only float32 has gradients; pass it as a further argument",
    );
  });

  it("refuses a loss that is no scalar", () => {
    expect(() => valueAndGrad((x: Tensor) => mul(x, 2))(w)).toThrow(
      "grad: the loss must be a float32 scalar, got float32 [2]; take its mean or sum",
    );
  });
});

describe("vjp()", () => {
  it("gives null where nothing depends on an input", () => {
    const [x, y] = [input("float32", [2, 2]), input("float32", [2, 2])];
    const [dx, dy] = vjp([matmul(x, x)], [constant(new Float32Array(4), [2, 2])], [x, y]);
    expect([dx?.shape, dy]).toEqual([[2, 2], null]);
    expect(vjp([sum(x)], [scalar(1)], [y])).toEqual([null]);
  });

  it("refuses a cotangent of another shape", () => {
    const x = input("float32", [2, 2]);
    expect(() => vjp([x], [scalar(1)], [x])).toThrow(
      "vjp: cotangent 0 must have the shape of its output [2, 2], got []",
    );
  });
});
