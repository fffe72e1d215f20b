/** The contract of the draft service: messages, their codecs, and the service definition. */
export { Coupling, ModelInfo, Sampling, SparseLaw } from "./gen/veridraft/common/v1/common.ts";
export {
  DraftRequest,
  DraftResponse,
  DraftServiceService,
  Feedback,
  GetModelInfoRequest,
  GetModelInfoResponse,
  Open,
  Opened,
  Proposal,
  Propose,
} from "./gen/veridraft/draft/v1/draft.ts";
