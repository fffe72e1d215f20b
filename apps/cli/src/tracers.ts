/** The teacher and the student of `veridraft trace`, each in this process or on a verifier server. */
import { existsSync } from "node:fs";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { type LoadedModel, loadModel, readModelSource } from "@veridraft/engine-onnx";
import { isRpcError, RpcError } from "@veridraft/rpc";
import { createVerifierClient } from "@veridraft/rpc/client";
import { createLawModel, type LawModel } from "@veridraft/spec-decoding";
import type { ChatTemplate, Tokenizer } from "@veridraft/tokenization";
import { createRemoteLawModel } from "@veridraft/verifier-server";
import { modelPath } from "./model-folder.ts";
import type { GenerateFlags } from "./options.ts";

/** Both models, and what they have in common. */
export interface Tracers {
  readonly teacher: LawModel;
  readonly student: LawModel;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate | undefined;
  /** The smaller one. */
  readonly contextLength: number;
  dispose(): Promise<void>;
}

interface TracerFlags extends Pick<GenerateFlags, "weights" | "device"> {
  readonly teacher: string;
  readonly student: string;
  readonly tokenizer?: string | undefined;
}

interface Tracer {
  readonly laws: LawModel;
  readonly contextLength: number;
  dispose(): Promise<void>;
}

/** Opens both. @throws InvalidArgumentError for models of other tokenizers, and for two servers without a tokenizer; RpcError for a server that fails. */
export async function openTracers(flags: TracerFlags): Promise<Tracers> {
  const { teacher, student } = flags;
  const files = [student, teacher].filter((where) => !isAddress(where));
  const named = flags.tokenizer ?? files[0];
  if (named === undefined) {
    throw new InvalidArgumentError(
      "veridraft trace needs --tokenizer MODEL where teacher and student are servers",
    );
  }
  const { readTokenizer, chatTemplate } = await readModelSource(modelPath(named));
  const tokenizer = readTokenizer();
  const { weights, device } = flags;
  // Both work at the same time.
  const options = { weights, device, ...(files.length > 1 && { spinning: false }) };
  const opened: Tracer[] = [];
  const dispose = async (): Promise<void> => {
    for (const each of opened) await each.dispose();
  };
  try {
    for (const [role, where] of Object.entries({ teacher, student })) {
      const open = isAddress(where)
        ? openServer(`the ${role} at ${where}`, where, tokenizer.sha256)
        : openFile(`the ${role} ${where}`, modelPath(where), tokenizer.sha256, options);
      opened.push(await open);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  const [ofTeacher, ofStudent] = opened;
  return {
    teacher: ofTeacher.laws,
    student: ofStudent.laws,
    tokenizer,
    chatTemplate,
    contextLength: Math.min(ofTeacher.contextLength, ofStudent.contextLength),
    dispose,
  };
}

function isAddress(where: string): boolean {
  return !existsSync(where) && /^(unix:.+|[^\s/]+:\d+)$/.test(where);
}

async function openFile(
  who: string,
  path: string,
  sha256: string,
  options: Parameters<typeof loadModel>[1],
): Promise<Tracer> {
  const loaded: LoadedModel = await loadModel(path, options);
  const { model, tokenizer } = loaded;
  const dispose = (): Promise<void> => model.dispose();
  if (tokenizer.sha256 !== sha256) {
    await dispose();
    throw new InvalidArgumentError(
      `${who}: the tokenizers differ: its own is ${tokenizer.sha256}, the given one is ${sha256}`,
    );
  }
  return { laws: createLawModel(model), contextLength: model.contextLength, dispose };
}

/** A server's failures begin with `who`. */
async function openServer(who: string, address: string, sha256: string): Promise<Tracer> {
  const client = createVerifierClient(address);
  const blame = (error: unknown): never => {
    if (!isRpcError(error)) throw error;
    throw new RpcError(error.code, `${who}: ${error.message}`, { cause: error });
  };
  try {
    const { model } = await client.getModelInfo({}).catch(blame);
    const remote = createRemoteLawModel(client, sha256);
    return {
      laws: {
        async openLaws(options) {
          const sequence = await remote.openLaws(options);
          return {
            after: (ids, signal) => sequence.after(ids, signal).catch(blame),
            dispose: () => sequence.dispose(),
          };
        },
      },
      contextLength: model?.contextLength ?? 0,
      dispose: async () => client.close(),
    };
  } catch (error) {
    client.close();
    throw error;
  }
}
