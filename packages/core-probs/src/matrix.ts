/** Rows of equal width, row-major in one array. */
export interface Matrix {
  /** [rows, cols] */
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** Row `index` of a matrix, as a view that shares memory. */
export function row(matrix: Matrix, index: number): Float32Array {
  return matrix.data.subarray(index * matrix.cols, (index + 1) * matrix.cols);
}
