/** Keeps a measured table in a README. */
import { readFile, writeFile } from "node:fs/promises";

/** Replaces what stands between the markers of a name, `<!-- name -->` and `<!-- /name -->`. @throws Error where the file has them not. */
export async function replaceTable(file: string, name: string, report: string): Promise<void> {
  const content = await readFile(file, "utf8");
  const markers = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [start, end] = markers.map((marker) => content.indexOf(marker));
  if (start < 0 || end < start) {
    throw new Error(`${file} has no ${markers[0]} before a ${markers[1]}`);
  }
  const before = content.slice(0, start + markers[0].length);
  await writeFile(file, `${before}\n\n${report}\n\n${content.slice(end)}`);
}
