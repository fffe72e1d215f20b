import { cacheTypes, devices, weightFormats } from "@veridraft/engine-onnx";
import { z } from "zod";

/** How a target model runs, as programs are told. */
export const engineSettings = {
  weights: z
    .enum(weightFormats)
    .optional()
    .describe("Format of the weights of a GGUF file; absent: int8, on a GPU f16."),
  device: z.enum(devices).default("cpu").describe("Where the model runs."),
  cacheType: z
    .enum(cacheTypes)
    .optional()
    .describe("How keys and values are kept, for GGUF files on the CPU; absent: f32."),
} as const;
