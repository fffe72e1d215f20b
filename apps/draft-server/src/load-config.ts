/**
 * Settings of a program from its flags, the environment and a JSON file, in this order of precedence, checked by a zod object that also gives
 * the defaults and the help texts. Knows nothing of any one program.
 */
import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { type Command, Option } from "commander";
import { z } from "zod";

/** Where settings come from. */
export interface ConfigSources {
  /** By name of the setting; undefined counts as absent. Strings are read as the setting's type. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /**
   * Variables named `<prefix><SETTING_NAME>`. Others are ignored, also those that begin with the prefix: Kubernetes adds such variables for
   * every service.
   */
  readonly env?: {
    readonly prefix: string;
    readonly variables: Readonly<Record<string, string | undefined>>;
  };
  /** Path of a JSON file that holds an object. */
  readonly file?: string | undefined;
}

interface Property {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
}

/**
 * Reads and checks the settings.
 *
 * @throws InvalidArgumentError that names the setting, where it was set, and what is wrong with it; also for an unknown flag or key of the file.
 */
export function loadConfig<S extends z.ZodObject>(schema: S, sources: ConfigSources): z.output<S> {
  const properties = propertiesOf(schema);
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  const set = (name: string, value: unknown, origin: string): void => {
    if (value === undefined) return;
    const property = properties[name];
    if (!property) throw new InvalidArgumentError(`${origin} is unknown`);
    values[name] = typeof value === "string" ? fromText(property.type, value) : value;
    origins[name] = origin;
  };
  const { flags = {}, env, file } = sources;
  if (file !== undefined) {
    for (const [name, value] of Object.entries(readObject(file))) {
      set(name, value, `${name} in ${file}`);
    }
  }
  if (env) {
    for (const name of Object.keys(properties)) {
      const variable = `${env.prefix}${snakeCase(name).toUpperCase()}`;
      set(name, env.variables[variable], variable);
    }
  }
  for (const [name, value] of Object.entries(flags)) set(name, value, `--${kebabCase(name)}`);

  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = String(issue.path[0] ?? "");
  const got = issue.code === "custom" ? "" : `, got ${JSON.stringify(values[name])}`;
  throw new InvalidArgumentError(`${origins[name] ?? name}: ${issue.message}${got}`, {
    cause: result.error,
  });
}

/**
 * Gives a command one option for each setting: `--kebab-case <value>`, `--name` and `--no-name` for a boolean; one that may be given again for a
 * list. Their values, as `command.opts()` gives them, are the flags of {@link loadConfig}.
 */
export function addOptions(command: Command, schema: z.ZodObject): Command {
  for (const [name, property] of Object.entries(propertiesOf(schema))) {
    const flag = `--${kebabCase(name)}`;
    const shown = isShown(property.default) ? ` (default: ${String(property.default)})` : "";
    const text = `${property.description ?? ""}${shown}`;
    if (property.type === "boolean") {
      command.addOption(new Option(flag, text));
      command.addOption(new Option(`--no-${kebabCase(name)}`).hideHelp());
    } else if (property.type === "array") {
      command.addOption(new Option(`${flag} <text>`, text).argParser(append));
    } else {
      const value = property.enum?.join("|") ?? property.type ?? "value";
      command.addOption(new Option(`${flag} <${value}>`, text));
    }
  }
  return command;
}

/** An empty list and a switch that is off go without saying. */
function isShown(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

function append(value: string, all: string[] = []): string[] {
  return [...all, value];
}

function propertiesOf(schema: z.ZodObject): Record<string, Property> {
  return (z.toJSONSchema(schema, { io: "input" }).properties ?? {}) as Record<string, Property>;
}

/** Text that does not read as the type is left for the schema to refuse. */
function fromText(type: string | undefined, text: string): unknown {
  if (type === "number" || type === "integer") {
    return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
  }
  if (type === "boolean") return { true: true, "1": true, false: false, "0": false }[text] ?? text;
  if (type === "array") return [text];
  return text;
}

function readObject(file: string): object {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new InvalidArgumentError(`${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`${file} must hold a JSON object`);
  }
  return value;
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function snakeCase(name: string): string {
  return kebabCase(name).replaceAll("-", "_");
}
