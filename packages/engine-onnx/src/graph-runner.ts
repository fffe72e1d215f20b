/** Runs the graphs of `@veridraft/autodiff`, in the thread that calls. */
import type { Graph, GraphRunner, GraphValue, HostTensor, Program } from "@veridraft/autodiff";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { usableCpus } from "./cpus.ts";
import { createSession, dataOf, type Device } from "./session.ts";

/** Where graphs run. */
export interface GraphRunnerOptions {
  /** By default "cpu". */
  readonly device?: Device;
  /** Threads of a run on the CPU; by default as many as there are CPUs to use. */
  readonly threads?: number;
  /**
   * Whether idle threads spin; by default they do not. A step is 7 % faster for it on an idle machine, and several times slower on one where something else
   * computes.
   */
  readonly spinning?: boolean;
}

/**
 * A runner for `jit`. A run blocks the calling thread for its duration (ONNX Runtime's binding is synchronous), so a program that also answers
 * requests trains in a worker thread.
 *
 * @throws InvalidArgumentError for less than one thread; `compile` throws UnsupportedError where the device cannot be used.
 */
export function createGraphRunner({
  device = "cpu",
  threads = usableCpus(),
  spinning = false,
}: GraphRunnerOptions = {}): GraphRunner {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InvalidArgumentError(
      `createGraphRunner: threads must be an integer of at least 1, got ${threads}`,
    );
  }
  return {
    async compile(graph) {
      const session = await createSession(graph.model, {
        device,
        threads,
        spinning,
        affinity: undefined,
      });
      return new SessionProgram(graph, session);
    },
  };
}

class SessionProgram implements Program {
  private readonly graph: Graph;
  private readonly session: InferenceSession;
  private disposed = false;

  constructor(graph: Graph, session: InferenceSession) {
    this.graph = graph;
    this.session = session;
  }

  async run(feeds: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>> {
    const { inputs, outputs } = this.graph;
    const results = await this.session.run(
      Object.fromEntries(inputs.map((value) => [value.name, toTensor(value, feeds[value.name])])),
    );
    return Object.fromEntries(
      outputs.map(({ name }) => {
        const tensor = results[name];
        return [name, { data: dataOf(tensor) as HostTensor["data"], shape: tensor.dims }];
      }),
    );
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.session.release();
  }
}

function toTensor({ name, dtype }: GraphValue, fed: HostTensor | undefined): Tensor {
  if (!fed) throw new InvalidArgumentError(`run: the feeds have no ${name}, an input of the graph`);
  return new Tensor(dtype, fed.data as Float32Array, fed.shape) as Tensor;
}
