/**
 * repo/layers: keeps the dependency directions of the workspace.
 *
 * A package carries its layer as the tag `layer:<name>` under `nx.tags` of its package.json. An import is an error when it is relative and
 * leaves its package, when `src` imports its own package by name, when the target is not a declared dependency (outside `src`,
 * devDependencies of the package and of the root count, too), or when the layer of the target may not be imported from the owner's layer.
 */
import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";

const manifests = new Map();

function readManifest(folder) {
  if (!manifests.has(folder)) {
    const file = join(folder, "package.json");
    manifests.set(folder, existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined);
  }
  return manifests.get(folder);
}

function findUp(folder, accept) {
  for (let at = folder; ; at = dirname(at)) {
    const manifest = readManifest(at);
    if (manifest && accept(manifest)) return { folder: at, manifest };
    if (dirname(at) === at) return undefined;
  }
}

const layerOf = (manifest) =>
  manifest?.nx?.tags?.find((tag) => tag.startsWith("layer:"))?.slice("layer:".length);

/** Returns the reason why `specifier` may not be imported by `filename`, or undefined. */
function reject(filename, specifier, directions) {
  if (specifier.startsWith("node:") || builtinModules.includes(specifier)) return undefined;
  const owner = findUp(dirname(filename), (manifest) => manifest.name);
  if (!owner) return undefined;
  const inSource = relative(owner.folder, filename).startsWith(`src${sep}`);
  if (specifier.startsWith(".")) {
    const target = resolve(dirname(filename), specifier);
    return target.startsWith(owner.folder + sep) ? undefined : `"${specifier}" leaves the package`;
  }
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  if (name === owner.manifest.name) {
    return inSource ? `src of ${name} imports its own package by name` : undefined;
  }
  const root = findUp(owner.folder, (manifest) => manifest.workspaces);
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = owner.manifest;
  const declared = { ...dependencies, ...peerDependencies, ...optionalDependencies };
  if (!inSource) Object.assign(declared, devDependencies, root?.manifest.devDependencies);
  if (!(name in declared)) return `${name} is not declared in ${owner.manifest.name}`;
  const from = layerOf(owner.manifest);
  const to = root && layerOf(readManifest(join(root.folder, "node_modules", name)));
  if (inSource && from && to && !directions[from]?.includes(to)) {
    return `layer ${from} may not import layer ${to} (${name})`;
  }
  return undefined;
}

const layers = {
  meta: { type: "problem", schema: [{ type: "object" }] },
  create(context) {
    const check = (node) => {
      const specifier = node.source?.value;
      if (typeof specifier !== "string") return;
      const reason = reject(context.filename, specifier, context.options[0] ?? {});
      if (reason) context.report({ node: node.source, message: reason });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
    };
  },
};

export default { meta: { name: "repo" }, rules: { layers } };
