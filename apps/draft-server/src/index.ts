export { draftServerConfig, type DraftServerConfig, draftServerPrefix } from "./config.ts";
export { checkTokenizer, readIds, readSampling } from "./convert.ts";
export { type DraftedGeneration, type DrafterOptions, Drafters } from "./drafters.ts";
export { engineSettings } from "./engine-settings.ts";
export { loadDraftModel, type LoadedDraftModel } from "./load-draft-model.ts";
export { headSetting, loadHead } from "./load-head.ts";
export { addOptions, type ConfigSources, loadConfig } from "./load-config.ts";
export { configure, runProgram, serverCommand, type ServerProgram } from "./program.ts";
export { type DraftServer, serveDraft } from "./serve.ts";
export {
  networkSettings,
  type RunningService,
  type ServeOptions,
  startService,
} from "./start-service.ts";
export { statusOf } from "./status.ts";
export { draftService, type DraftServiceOptions } from "./service.ts";
export { draftServerProgram } from "./server-program.ts";
