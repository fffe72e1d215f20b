/** A thread of an encode pool: gets the tables once, then texts, and hands their ids back without a copy. */
import { parentPort, workerData } from "node:worker_threads";
import { tokenizerFromTables } from "./tables.ts";

const tokenizer = tokenizerFromTables(workerData as Uint8Array);

parentPort?.on("message", (texts: readonly string[]) => {
  const starts = new Int32Array(texts.length + 1);
  let ids = new Int32Array(1024);
  for (const [i, text] of texts.entries()) {
    const encoded = tokenizer.encode(text);
    const end = starts[i] + encoded.length;
    if (end > ids.length) {
      const grown = new Int32Array(2 * end);
      grown.set(ids.subarray(0, starts[i]));
      ids = grown;
    }
    ids.set(encoded, starts[i]);
    starts[i + 1] = end;
  }
  parentPort?.postMessage({ ids, starts }, [ids.buffer, starts.buffer]);
});
