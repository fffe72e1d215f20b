/** Runs a model on WebGPU, for devices.test.ts: prints what was found as JSON. Arguments: the folder of copyFolders, and a model in it or "gguf". */
import { join } from "node:path";
import { loadModel } from "@veridraft/engine-onnx";
import { distanceToLlamaCpp, ids, llamaGguf } from "./onnx-folders.ts";
import { checkSequenceLaws } from "./sequence-laws.ts";

const [folder, name] = process.argv.slice(2);
const path = name === "gguf" ? llamaGguf : join(folder, name);
const options = { device: "webgpu", prefixCacheBytes: 1 << 20 } as const;
const { model, weights, exact } = await loadModel(path, {
  ...options,
  cacheFolder: join(folder, "cache"),
});
const sequence = await model.open();
const distance = distanceToLlamaCpp(await sequence.forward(ids));
sequence.dispose();
await checkSequenceLaws(model, name === "optimum" ? 1e-3 : 1e-4);
const { sequences, cacheBytes, prefixes } = await model.statistics();
await model.dispose();
process.stdout.write(JSON.stringify({ distance, weights, exact, sequences, cacheBytes, prefixes }));
