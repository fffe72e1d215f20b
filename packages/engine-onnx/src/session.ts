/** Opens sessions of ONNX Runtime on a device. */
import { UnsupportedError } from "@veridraft/core-probs";
import { InferenceSession, listSupportedBackends, type Tensor } from "onnxruntime-node";

/** Where a session can run. */
export const devices = ["cpu", "cuda", "webgpu"] as const;
/** One of {@link devices}. */
export type Device = (typeof devices)[number];

/** The machine's part of a session. */
export interface SessionOptions {
  readonly device: Device;
  readonly threads: number;
  readonly spinning: boolean;
  readonly affinity: string | undefined;
}

/** What has to be there for a device that is not the CPU. */
const remedies = {
  cuda: "it needs an NVIDIA driver, CUDA with cuDNN 9, and libonnxruntime_providers_cuda.so beside the library of onnxruntime-node: its install script downloads that for CUDA 12, the Python wheel onnxruntime-gpu of the same version has that for CUDA 13",
  webgpu: "it needs a graphics driver, on Linux with Vulkan",
} as const;

/**
 * Loads a graph.
 *
 * @param model Path of a file, or its bytes.
 * @param kept Outputs that stay on the device.
 * @throws UnsupportedError where the device cannot be used; another one is never taken in its place.
 */
export async function createSession(
  model: string | Uint8Array,
  { device, threads, spinning, affinity }: SessionOptions,
  kept: readonly string[] = [],
): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(model as string, {
      executionProviders: [device],
      preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, "gpu-buffer"])),
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
      // On a device it warns that the arithmetic of shapes stays on the CPU, as it should.
      logSeverityLevel: device === "cpu" ? 2 : 3,
      // Where shapes change with every call it is of no use, and where they do not, it takes more memory and no less time.
      enableMemPattern: false,
      extra: {
        session: {
          intra_op: { allow_spinning: spinning ? "1" : "0" },
          // Without VNNI, products of 8-bit integers overflow 16 bits; this takes the kernel in which they do not.
          x64quantprecision: "1",
          ...(affinity !== undefined && { intra_op_thread_affinities: affinity }),
        },
      },
    });
  } catch (cause) {
    if (device === "cpu") throw cause;
    const built = listSupportedBackends().map(({ name }) => name);
    const said = (cause as Error).message.trim().split("\n")[0];
    throw new UnsupportedError(
      `engine: device ${device} cannot be used: ${remedies[device]}, or choose device cpu; this ONNX Runtime was built for ${built.join(", ")} and says: ${said}`,
      { cause },
    );
  }
}

/**
 * The values of a tensor that is in the memory of the CPU. The only place to read one: asking a tensor of a GPU for its data ends the whole process.
 *
 * @throws Error for a tensor of a device.
 */
export function dataOf(tensor: Tensor): Tensor["data"] {
  if (tensor.location !== "cpu") {
    throw new Error(`dataOf: a tensor in ${tensor.location} cannot be read`);
  }
  return tensor.data;
}
