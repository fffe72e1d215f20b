export { verifierServerConfig, type VerifierServerConfig, verifierServerPrefix } from "./config.ts";
export {
  createRemoteDrafter,
  Outage,
  type RemoteDrafter,
  type RemoteDrafterOptions,
} from "./remote-drafter.ts";
export { createRemoteLawModel } from "./remote-laws.ts";
export { serveVerifier } from "./serve.ts";
export { verifierServerProgram } from "./server-program.ts";
