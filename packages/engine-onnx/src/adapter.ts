import { GraphBuilder } from "@veridraft/autodiff/onnx";

/** Whether the adapter of WebGPU computes with 16-bit floats; false, too, where there is none. Found by doing it. */
export async function adapterHasHalves(): Promise<boolean> {
  // Only here does the caller's thread need ONNX Runtime.
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const graph = new GraphBuilder("");
  graph.input("x", "float16", [1]);
  graph.node("Add", ["x", "x"], "sum");
  graph.output("sum", "float16", [1]);
  const logSeverityLevel = 4; // It is no error here that there are none.
  try {
    const session = await InferenceSession.create(graph.encode(), {
      executionProviders: ["webgpu"],
      logSeverityLevel,
    });
    await session.run({ x: new Tensor("float16", Uint16Array.of(0), [1]) }, { logSeverityLevel });
    await session.release();
    return true;
  } catch {
    return false;
  }
}
