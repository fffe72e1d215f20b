export { verifierServerConfig, type VerifierServerConfig, verifierServerPrefix } from "./config.ts";
export {
  createRemoteDrafter,
  type RemoteDrafter,
  type RemoteDrafterOptions,
} from "./remote-drafter.ts";
export { type ServeOptions, serveVerifier, type VerifierServer } from "./serve.ts";
