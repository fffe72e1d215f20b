import { InvalidArgumentError } from "@veridraft/core-probs";
import type { z } from "zod";

/**
 * Parses a config with its schema, defaults filled in.
 *
 * @throws InvalidArgumentError that names `owner`, the field and what is wrong with it.
 */
export function parseConfig<S extends z.ZodType>(
  owner: string,
  schema: S,
  value: unknown,
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new InvalidArgumentError(`${owner}: ${[...issue.path, issue.message].join(": ")}`, {
    cause: result.error,
  });
}
