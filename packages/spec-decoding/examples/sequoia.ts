/** From how often the first, second and third guess are accepted, and what a forward costs, to the tree that pays. */
import { chooseTree, sequoiaTree, treeValue } from "@veridraft/spec-decoding";

const rates = [0.6, 0.2, 0.1];
for (const nodes of [3, 4, 7]) {
  const tree = sequoiaTree(rates, nodes);
  console.log(
    `${nodes} nodes: parents ${tree.parents.join(" ")}, ${treeValue(tree, rates).toFixed(2)} tokens`,
  );
}
const processor = [0, 40, 40, 44, 48, 52, 56, 60, 64];
const accelerator = [0, 20, 20, 20, 20, 20, 20, 20, 20];
for (const [machine, costs] of Object.entries({ processor, accelerator })) {
  const tree = chooseTree(rates, 4, costs, 7);
  console.log(`${machine}: ${tree.parents.length} nodes, parents ${tree.parents.join(" ")}`);
}
// -> 3 nodes: parents -1 0 1, 2.18 tokens
// -> 4 nodes: parents -1 0 1 -1, 2.38 tokens
// -> 7 nodes: parents -1 0 1 2 0 -1 5, 2.75 tokens
// -> processor: 3 nodes, parents -1 0 -1
// -> accelerator: 7 nodes, parents -1 0 0 -1 3 -1 5
