/** Products of matrices. Transposed operands are part of the operation, so that no gradient needs a transposed copy. */
import { ShapeError } from "@veridraft/core-probs";
import { broadcastShapes, checkType } from "../shapes.ts";
import { apply, type Operation, type Shape, showShape, type Tensor } from "../tensor.ts";
import { reshape, sumTo } from "./shape.ts";

/** Which operands are read with their last two axes exchanged. */
export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

const transposedNote = " (transposed)";

/** [rows, columns] as the product sees them. */
function matrixOf(shape: Shape, transposed = false): Shape {
  const matrix = shape.slice(-2);
  return transposed ? matrix.toReversed() : matrix;
}

const matmulOperation: Operation<MatmulOptions> = {
  name: "matmul",
  infer([a, b], { transposeA, transposeB }) {
    const [rows, inner] = matrixOf(a.shape, transposeA);
    const [other, columns] = matrixOf(b.shape, transposeB);
    if (a.shape.length < 2 || b.shape.length < 2 || inner !== other) {
      throw new ShapeError(
        `matmul: shapes ${showShape(a.shape)}${transposeA ? transposedNote : ""} and ${showShape(b.shape)}${transposeB ? transposedNote : ""} do not multiply; the columns of the first must be the rows of the second`,
      );
    }
    const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
    return [{ dtype: "float32", shape: [...batch, rows, columns] }];
  },
  vjp({ inputs: [a, b], attributes: { transposeA = false, transposeB = false } }, [gradient]) {
    const dy = gradient as Tensor;
    const da = transposeA
      ? matmul(b, dy, { transposeA: transposeB, transposeB: true })
      : matmul(dy, b, { transposeB: !transposeB });
    const db = transposeB
      ? matmul(dy, a, { transposeA: true, transposeB: transposeA })
      : matmul(a, dy, { transposeA: !transposeA });
    return [sumTo(da, a.shape), sumTo(db, b.shape)];
  },
  lower(lowering, [a, b], { inputs, attributes: { transposeA, transposeB } }) {
    if (inputs.every(({ shape }) => shape.length === 2)) {
      return [
        lowering.node("Gemm", [a, b], { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }),
      ];
    }
    // ONNX Runtime joins these with the product.
    const turn = (name: string, { shape }: Tensor, transposed = false): string => {
      const order = [...shape.keys()].slice(0, -2);
      const perm = [...order, shape.length - 1, shape.length - 2];
      return transposed ? lowering.node("Transpose", [name], { perm }) : name;
    };
    return [
      lowering.node("MatMul", [turn(a, inputs[0], transposeA), turn(b, inputs[1], transposeB)]),
    ];
  },
};

/**
 * The product of matrices [..., m, k] and [..., k, n]: [..., m, n]. Axes before the last two broadcast.
 *
 * @throws ShapeError where the inner sizes differ or an operand has less than two axes.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  for (const each of [a, b]) checkType("matmul", each, "float32");
  if (a.shape.length > 2 && b.shape.length === 2 && !options.transposeA) {
    // One product of all rows.
    const rows = reshape(a, [-1, a.shape[a.shape.length - 1]]);
    const product = matmul(rows, b, options);
    return reshape(product, [...a.shape.slice(0, -1), product.shape[1]]);
  }
  return apply(matmulOperation, [a, b], options);
}
