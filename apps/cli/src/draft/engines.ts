import { loadModel, type LoadedModel, type LoadOptions, usableCpus } from "@veridraft/engine-onnx";

/** Which model to load, and where it runs. */
export interface EngineFlags extends Pick<LoadOptions, "weights" | "device"> {
  readonly model: string;
}

/**
 * Engines that share the work of a long run: on CPUs one for each, whose single thread waits for no other. With eight streams each, two of them make half as many tokens
 * again as one with two threads.
 */
export function loadEngines(
  { model, weights, device = "cpu" }: EngineFlags,
  streams = 1,
): Promise<LoadedModel[]> {
  const count = device === "cpu" ? usableCpus() : 1;
  const threads = device === "cpu" ? 1 : undefined;
  return Promise.all(
    Array.from({ length: count }, () => loadModel(model, { weights, device, streams, threads })),
  );
}
