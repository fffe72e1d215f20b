/** Where the draft is sure the tree grows deep, where it is not the tree grows wide; each child keeps the law it was drawn from. */
import { createRng, type Distribution } from "@veridraft/core-probs";
import { drawnChildren, growTree, likeliestChildren, pathTo } from "@veridraft/spec-decoding";

const draft: Record<string, number[]> = {
  "": [0.2, 0.5, 0.3],
  a: [0.3, 0.3, 0.4],
  b: [0.6, 0.2, 0.2],
  c: [0.1, 0.7, 0.2],
};
const names = "abc";
const after = (path: Int32Array): Distribution => {
  const last = path.at(-1);
  return { ids: null, probs: Float32Array.from(draft[last === undefined ? "" : names[last]]) };
};
const root = after(new Int32Array(0));

for (const [kind, choice] of Object.entries({
  likeliest: likeliestChildren,
  drawn: drawnChildren(createRng(1).at(0, "draft")),
})) {
  const tree = await growTree(root, after, choice, { maxNodes: 5 });
  const paths = Array.from(tree.tokens, (_, node) =>
    pathTo(tree, node)
      .map((i) => names[tree.tokens[i]])
      .join(""),
  );
  console.log(`${kind}: ${paths.join(" ")}`);
}
// -> likeliest: b c ba cb bac
// -> drawn: c b ba ca bac
