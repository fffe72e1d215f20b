/** The draft service: a session is one stream, and what it needs is rebuilt from the committed ids when it is opened again. */
import { isProbsError } from "@veridraft/core-probs";
import { invalidField, RpcError } from "@veridraft/rpc";
import {
  DraftResponse,
  DraftServiceService,
  type ModelInfo,
  type Open,
  type Propose,
} from "@veridraft/rpc/draft";
import { service, type Service } from "@veridraft/rpc/server";
import {
  type Drafter,
  type DrafterName,
  type DraftTree,
  emptyTree,
} from "@veridraft/spec-decoding";
import {
  checkTarget,
  type Opening,
  readOpen,
  readPropose,
  type Vocabulary,
  type Wishes,
  writeProposal,
} from "./convert.ts";
import type { Drafters } from "./drafters.ts";

/** What the service is made of. */
export interface DraftServiceOptions extends Vocabulary {
  readonly info: ModelInfo;
  readonly drafters: Drafters;
}

/** The draft service over its drafters. */
export function draftService(options: DraftServiceOptions): Service {
  return service(
    DraftServiceService,
    {
      async *draft(requests, { signal }) {
        let session: Session | null = null;
        try {
          for await (const { request } of requests) {
            if (request?.$case === "open" && !session) {
              session = await Session.open(request.value, options);
              yield session.opened();
            } else if (request?.$case === "propose" && session) {
              yield await session.propose(request.value, signal);
            } else {
              throw invalidField("request", session ? "propose must follow" : "open must be first");
            }
          }
        } finally {
          session?.dispose();
        }
      },
      getModelInfo: async () => ({
        model: options.info,
        drafters: [...options.drafters.offered],
      }),
    },
    ["getModelInfo"],
  );
}

class Session {
  readonly #vocabulary: Vocabulary;
  readonly #name: DrafterName;
  readonly #opening: Opening;
  readonly #drafter: Drafter;
  readonly #ids: number[];

  constructor(vocabulary: Vocabulary, name: DrafterName, opening: Opening, drafter: Drafter) {
    this.#vocabulary = vocabulary;
    this.#name = name;
    this.#opening = opening;
    this.#drafter = drafter;
    this.#ids = Array.from(opening.ids);
  }

  static async open(message: Open, options: DraftServiceOptions): Promise<Session> {
    const opening = readOpen(message, options);
    const { drafters } = options;
    let name = drafters.choose(opening.drafter);
    if (!name) {
      const offered = drafters.offered.join(", ");
      const wish = JSON.stringify(opening.drafter.slice(0, 64));
      throw invalidField("drafter", `must be one of ${offered}, got ${wish}`);
    }
    const head = drafters.headOf(name);
    // A caller without hidden states gets from "auto" what does without.
    if (head && name === "auto" && opening.targetSha256 === null) name = "suffix";
    else if (head) checkTarget(opening.targetSha256, head.targetSha256);
    return new Session(options, name, opening, await drafters.create(name, opening));
  }

  get #wishes(): Wishes {
    const { successors, tapWidth = 0 } = this.#drafter;
    return { successors, tapWidth };
  }

  opened(): DraftResponse {
    const value = { drafter: this.#name, ...this.#wishes };
    return DraftResponse.create({ response: { $case: "opened", value } });
  }

  async propose(message: Propose, signal: AbortSignal): Promise<DraftResponse> {
    const round = readPropose(message, this.#vocabulary, this.#ids.length, this.#wishes);
    if (round.feedback) this.#drafter.observe(round.feedback);
    for (const id of round.commit) this.#ids.push(id);
    // With no room left for a token there is nothing to say.
    const budget = Math.min(round.budget, this.#vocabulary.contextLength - this.#ids.length);
    const { key } = this.#opening;
    const { confidenceThreshold, taps } = round;
    const context = { ids: this.#ids, budget, confidenceThreshold, key, taps, signal };
    const tree =
      budget > 0 ? await this.#drafter.propose(context).catch(emptyWithoutRoom) : emptyTree;
    if (tree.tokens.length > budget) {
      throw new RpcError("INTERNAL", `${this.#name} proposed more nodes than it was asked for`);
    }
    const value = writeProposal(tree, message.round);
    return DraftResponse.create({ response: { $case: "proposal", value } });
  }

  dispose(): void {
    this.#drafter.dispose();
  }
}

/** A draft model whose own tokens for a text exceed its context says nothing more. */
function emptyWithoutRoom(error: unknown): DraftTree {
  if (isProbsError(error) && error.code === "CONTEXT_LENGTH") return emptyTree;
  throw error;
}
