/**
 * A transformer trained with `@veridraft/autodiff` -> a folder that the engine loads: its graph in the engine's own layout (see delta-layout.ts), with
 * weights in float32 beside it, a configuration and a tokenizer.
 */
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  apply,
  buildGraph,
  concat,
  type HostTensor,
  input,
  mapTree,
  type NamedTensors,
  type Operation,
  reshape,
  stack,
  type Tensor,
  transpose,
  treeLeaves,
} from "@veridraft/autodiff";
import {
  headsOf,
  logitsOf,
  type Transformer,
  transformer,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
