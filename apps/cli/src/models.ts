import { isProbsError } from "@veridraft/core-probs";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import { describeModel } from "./describe-model.ts";
import { formatBytes } from "./format-bytes.ts";
import { modelNames, modelPath } from "./model-folder.ts";
import { jsonOption } from "./options.ts";
import { folderOption } from "./pull.ts";

export const modelsOptions = z.strictObject({ folder: folderOption, json: jsonOption });

/** What is said of a pulled model. */
interface ModelRow {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly architecture: string;
  readonly types: readonly string[];
  readonly context: number | null;
}

/** `veridraft models`. */
export async function models({ folder, json }: z.output<typeof modelsOptions>): Promise<void> {
  const rows: ModelRow[] = [];
  for (const name of modelNames(folder)) {
    const path = modelPath(name, folder);
    try {
      const { fileBytes: bytes, architecture, types, context } = await describeModel(path);
      rows.push({ name, path, bytes, architecture, types: Object.keys(types), context });
    } catch (error) {
      if (!isProbsError(error)) throw error;
      process.stderr.write(`veridraft: ${name}: ${error.message}\n`);
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else process.stdout.write(`${rows.length > 0 ? table(rows) : `no models in ${folder}`}\n`);
}

function table(rows: readonly ModelRow[]): string {
  const lines = rows.map(({ name, bytes, architecture, types, context }) => [
    name,
    formatBytes(bytes),
    architecture,
    types.join(", "),
    context === null ? "-" : String(context),
  ]);
  const header = ["name", "size", "architecture", "types", "context"];
  return markdownTable([header, ...lines], { align: ["l", "r", "l", "l", "r"] });
}
