import {
  add,
  buildGraph,
  cast,
  constant,
  type Graph,
  type GraphRunner,
  input,
  isTensor,
  jit,
  mapTree,
  matmul,
  mul,
  type Program,
  reshape,
  sum,
  type Tensor,
  topK,
  trace,
  treeLeaves,
} from "@veridraft/autodiff";
import { describe, expect, it } from "vitest";
import { runner } from "./gradients.ts";

const zeros = (...shape: number[]): { data: Float32Array; shape: number[] } => ({
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
  shape,
});

/** A runner that counts what it compiles and what is disposed of. */
function countingRunner(): GraphRunner & { compiled: number; disposed: number } {
  const counting = {
    compiled: 0,
    disposed: 0,
    async compile(graph: Graph): Promise<Program> {
      counting.compiled++;
      const program = await runner.compile(graph);
      return {
        run: (feeds) => program.run(feeds),
        async dispose() {
          counting.disposed++;
          await program.dispose();
        },
      };
    },
  };
  return counting;
}

describe("jit()", () => {
  it("takes and gives trees of arrays, with numbers as scalars", async () => {
    const run = jit(runner, ({ x, scale }: { x: Tensor; scale: Tensor }, ids: Tensor) => ({
      scaled: mul(x, scale),
      ids: [add(ids, 1), topK(x, 1).ids],
      bits: cast(x, "bool"),
    }));
    const x = { data: Float32Array.of(0, 2, 1), shape: [3] };
    expect(await run({ x, scale: 3 }, { data: Int32Array.of(4), shape: [1] })).toEqual({
      scaled: { data: Float32Array.of(0, 6, 3), shape: [3] },
      ids: [
        { data: Int32Array.of(5), shape: [1] },
        { data: Int32Array.of(1), shape: [1] },
      ],
      bits: { data: Uint8Array.of(0, 1, 1), shape: [3] },
    });
    await run.dispose();
  });

  it("gives arguments and repeated results as they are", async () => {
    const run = jit(runner, (x: Tensor) => {
      const y = mul(x, 2);
      return { x, y, same: y, one: constant(Float32Array.of(1)) };
    });
    const [x, y] = [1, 2].map((value) => ({ data: Float32Array.of(value), shape: [1] }));
    expect(await run(x)).toEqual({ x, y, same: y, one: x });
    await run.dispose();
  });

  it("compiles once per shape, keeps sixteen and disposes of the rest", async () => {
    const counting = countingRunner();
    const run = jit(counting, (x: Tensor) => sum(x));
    await Promise.all([run(zeros(1)), run(zeros(1)), run(zeros(2))]);
    expect(counting).toMatchObject({ compiled: 2, disposed: 0 });
    for (let size = 3; size <= 16; size++) await run(zeros(size));
    await run(zeros(1));
    expect(counting).toMatchObject({ compiled: 16, disposed: 0 });
    await run(zeros(17));
    await run(zeros(1));
    expect(counting.compiled).toBe(17);
    await run(zeros(2));
    expect(counting.compiled).toBe(18);
    await run.dispose();
    expect(counting.disposed).toBe(18);
  });

  it("reports what a function throws, and what does not hold its shape", async () => {
    const run = jit(runner, (x: Tensor) => matmul(x, x));
    await expect(run(zeros(2, 3))).rejects.toThrow(
      "matmul: shapes [2, 3] and [2, 3] do not multiply; the columns of the first must be the rows of the second",
    );
    await expect(run({ data: new Float32Array(3), shape: [2, 2] })).rejects.toThrow(
      "jit: argument 0 has shape [2, 2] of 4 elements, but data of 3",
    );
    await expect(run({ data: new Float64Array(1) as never, shape: [1] })).rejects.toThrow(
      "jit: argument 0 has no data in a Float32Array, Int32Array or Uint8Array; pass { data, shape }",
    );
    await expect(run("x" as never)).rejects.toThrow(
      "mapTree: 0 is a string; a tree has tensors as leaves, in objects and arrays",
    );
  });
});

describe("trace()", () => {
  it("names inputs by argument and place, and outputs by place", () => {
    const graph = trace(
      ({ w }: { w: Tensor[] }, x: Tensor) => ({ y: matmul(x, w[0]) }),
      [{ w: [{ dtype: "float32", shape: [3, 2] }] }, { dtype: "float32", shape: ["batch", 3] }],
    );
    expect(graph.inputs).toEqual([
      { name: "arg0.w.0", dtype: "float32", shape: [3, 2] },
      { name: "arg1", dtype: "float32", shape: ["batch", 3] },
    ]);
    expect(graph.outputs).toEqual([{ name: "result.y", dtype: "float32", shape: ["batch", 2] }]);
    expect(graph.results).toEqual({ y: { name: "result.y", shape: ["batch", 2] } });
  });

  it("refuses results and tensors that are not of the trace", () => {
    const type = { dtype: "float32", shape: [2] } as const;
    expect(() => trace(() => ({ loss: 1 }), [])).toThrow(
      "trace: the result loss is no tensor; a traced function returns a tree of tensors",
    );
    const foreign = input("float32", [2]);
    expect(() => trace((x: Tensor) => add(x, foreign), [type])).toThrow(
      "buildGraph: the outputs depend on an input float32 [2] that is not among the inputs arg0; a tensor of another trace cannot be used",
    );
  });

  it("keeps sizes by name, for one program that runs at all of them", async () => {
    const graph = trace(
      (x: Tensor) => reshape(mul(reshape(x, [-1, 2]), 2), ["seq", "batch", 2]),
      [{ dtype: "float32", shape: ["batch", "seq", 2] }],
    );
    const program = await runner.compile(graph);
    for (const [batch, seq] of [
      [1, 3],
      [2, 5],
    ]) {
      const { result } = await program.run({ arg0: zeros(batch, seq, 2) });
      expect(result.shape).toEqual([seq, batch, 2]);
    }
    await program.dispose();
    await program.dispose();
  });
});

describe("buildGraph()", () => {
  it("makes weights part of a model, under the names that it is given", async () => {
    const [x, w] = [input("float32", ["rows", 2]), input("float32", [2, 1])];
    const weights = { w: { data: Float32Array.of(2, 3), shape: [2, 1] } };
    const graph = buildGraph({ x, w }, { logits: matmul(x, w) }, weights);
    expect(graph.inputs).toEqual([{ name: "x", dtype: "float32", shape: ["rows", 2] }]);
    const program = await runner.compile(graph);
    const fed = { x: { data: Float32Array.of(1, 10, 0, 1), shape: [2, 2] } };
    expect((await program.run(fed)).logits).toEqual({
      data: Float32Array.of(32, 3),
      shape: [2, 1],
    });
    await program.dispose();
  });
});

describe("constant()", () => {
  it("refuses weights", () => {
    expect(() => constant(new Float32Array(5000))).toThrow(
      "constant: 20000 bytes would become part of the graph, at most 16384 may; pass them as an argument of the function",
    );
    expect(() => constant(new Float32Array(3), [2])).toThrow(
      "constant: shape [2] holds 2 elements, got 3",
    );
  });
});

describe("mapTree()", () => {
  it("walks trees of one form together", () => {
    const tree = { a: [1, 2], b: undefined };
    expect(
      mapTree((x: number, path, y: number) => `${path} ${x + y}`, tree, { a: [10, 20], b: 0 }),
    ).toEqual({ a: ["a.0 11", "a.1 22"], b: undefined });
    expect(treeLeaves<number>(tree)).toEqual([
      { path: "a.0", leaf: 1 },
      { path: "a.1", leaf: 2 },
    ]);
    expect(() => mapTree((x: number) => x, tree, { a: [1], b: 0 })).toThrow(
      "mapTree: the trees differ in form at a",
    );
    expect(isTensor(tree)).toBe(false);
  });
});
