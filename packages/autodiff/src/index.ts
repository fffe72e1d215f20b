export { trace, type TracedGraph } from "./graph.ts";
export { type HostArgument, jit, type Jitted } from "./jit.ts";
export { buildGraph, type Lowering, type NamedTensors } from "./lowering.ts";
export {
  abs,
  add,
  cos,
  div,
  erf,
  exp,
  floor,
  log,
  mul,
  neg,
  type Operand,
  pow,
  round,
  sign,
  sin,
  sqrt,
  square,
  sub,
} from "./operations/elementwise.ts";
export { matmul, type MatmulOptions } from "./operations/matmul.ts";
export { type Axes, type ReduceOptions, sum } from "./operations/reduce.ts";
export { broadcastTo, expandDims, reshape, squeeze, sumTo, transpose } from "./operations/shape.ts";
export { grad, type Loss, valueAndGrad, vjp } from "./reverse.ts";
export type { Graph, GraphRunner, GraphValue, HostTensor, Program } from "./runner.ts";
export {
  apply,
  applyAll,
  constant,
  type Dim,
  type DType,
  type GraphNode,
  type HostData,
  input,
  isTensor,
  type Operation,
  scalar,
  type Shape,
  type Tensor,
  type TensorType,
} from "./tensor.ts";
export { type Leaf, type Mapped, mapTree, type Tree, treeLeaves } from "./tree.ts";
