/** What clients and servers share. The kits are `./client` and `./server`, the contracts `./draft` and `./verifier`. */
export {
  decodeFloat32,
  decodeFloat64,
  decodeInt32,
  decodeUint32,
  encodeFloat32,
  encodeFloat64,
  encodeInt32,
  encodeUint32,
} from "./bytes.ts";
export {
  type ErrorDetail,
  invalidField,
  isRpcError,
  RpcError,
  type RpcErrorOptions,
  type StatusCode,
} from "./error.ts";
export { defaultMaxMessageBytes } from "./limits.ts";
