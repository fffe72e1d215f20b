// The workers of a browser on those of Node, as far as jax-js needs them for its threads.
import { resolveObjectURL } from "node:buffer";
import { Worker as NodeWorker } from "node:worker_threads";

const preamble = `const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => self.onmessage({ data }));
`;

/** Gives this process `Worker`, and a `navigator` that asks for so many of them. */
export function provideWorkers(threads) {
  globalThis.navigator ??= {};
  Object.defineProperty(globalThis.navigator, "hardwareConcurrency", { value: threads });
  globalThis.Worker = class {
    #worker;

    constructor(url) {
      this.#worker = resolveObjectURL(url)
        .text()
        .then((source) => {
          const worker = new NodeWorker(preamble + source, { eval: true });
          worker.on("message", (data) => this.onmessage({ data }));
          worker.on("error", (error) => this.onerror(error));
          return worker;
        });
    }

    postMessage(message) {
      this.#worker.then((worker) => worker.postMessage(message));
    }
  };
}
