/** Binds a generated service definition to async handlers. */
import type { MethodDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Adapters, BidiHandler, ServerStreamHandler, UnaryHandler } from "./handlers.ts";
import { strictly } from "./requests.ts";

/** Any method of a generated service definition. */
// oxlint-disable-next-line typescript/no-explicit-any -- the one type that every method definition has
export type AnyMethod = MethodDefinition<any, any>;

/** The `…Service` constant of a generated file. */
export type Definition = Readonly<Record<string, AnyMethod>>;

/** Request type of a method definition. */
export type RequestOf<M extends AnyMethod> = ReturnType<M["requestDeserialize"]>;

/** Response type of a method definition. */
export type ResponseOf<M extends AnyMethod> = ReturnType<M["responseDeserialize"]>;

/** The handler that a method definition asks for. */
export type Handler<M extends AnyMethod> = M extends { responseStream: true }
  ? M extends { requestStream: true }
    ? BidiHandler<RequestOf<M>, ResponseOf<M>>
    : ServerStreamHandler<RequestOf<M>, ResponseOf<M>>
  : UnaryHandler<RequestOf<M>, ResponseOf<M>>;

/** One handler for each method of a definition. */
export type Implementation<D extends Definition> = { readonly [K in keyof D]: Handler<D[K]> };

/** A definition and its handlers, ready for `startServer`. */
export interface Service {
  /** Full name, as in `veridraft.draft.v1.DraftService`. */
  readonly name: string;
  readonly definition: Definition;
  /** Wraps the handlers. */
  bind(adapters: Adapters): UntypedServiceImplementation;
}

/**
 * A service of a server.
 *
 * @param cheap Methods that do not count against the limit of running calls, so that they are answered under load.
 */
export function service<D extends Definition>(
  definition: D,
  implementation: Implementation<D>,
  cheap: readonly (keyof D & string)[] = [],
): Service {
  return {
    name: Object.values(definition)[0].path.split("/")[1],
    definition: strictly(definition),
    bind: (adapters) =>
      Object.fromEntries(
        Object.entries(definition).map(([name, method]) => {
          const handler = implementation[name] as never;
          const limited = !cheap.includes(name);
          if (!method.responseStream) return [name, adapters.unary(handler, limited)];
          return method.requestStream
            ? [name, adapters.bidi(handler, limited)]
            : [name, adapters.serverStream(handler, limited)];
        }),
      ),
  };
}
