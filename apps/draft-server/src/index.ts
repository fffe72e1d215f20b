export {
  type DrafterName,
  drafterNames,
  draftServerConfig,
  type DraftServerConfig,
  draftServerPrefix,
} from "./config.ts";
export { addOptions, type ConfigSources, loadConfig } from "./load-config.ts";
export { type DraftServer, serveDraft } from "./serve.ts";
export { statusOf } from "./status.ts";
