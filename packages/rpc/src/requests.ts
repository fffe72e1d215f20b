/** Reads requests strictly: bytes that are not the message, or text that is not UTF-8, refuse the call and harm nothing else. */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { RpcError } from "./error.ts";
import type { Definition } from "./service.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Stands for a request that could not be read: grpc-js would end the call with INTERNAL if the reading threw. */
class Unreadable {
  readonly refusal: RpcError;

  constructor(refusal: RpcError) {
    this.refusal = refusal;
  }
}

/** The definition with strict reading; its handlers must look at each request through {@link readable}. */
export function strictly(definition: Definition): Definition {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => {
      const requestDeserialize = (bytes: Buffer): unknown => {
        try {
          // Generated code takes a reader in place of bytes, though gRPC's type does not say so.
          const reader: unknown = new BinaryReader(bytes, decodeUtf8);
          return method.requestDeserialize(reader as Buffer);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          return new Unreadable(new RpcError("INVALID_ARGUMENT", `the request: ${reason}`));
        }
      };
      return [name, { ...method, requestDeserialize }];
    }),
  );
}

/** The request. @throws RpcError INVALID_ARGUMENT where it could not be read. */
export function readable<Q>(request: Q): Q {
  if (request instanceof Unreadable) throw request.refusal;
  return request;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Error("a text is not UTF-8", { cause });
  }
}
