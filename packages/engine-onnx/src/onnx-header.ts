/**
 * Reads what an ONNX file says of itself without its weights: inputs, outputs and the operators of its graph. Tensors are skipped, not read, so that
 * a file of gigabytes takes milliseconds.
 *
 * Does not: graphs inside of nodes (the branches of If) and functions.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ModelFileError } from "@veridraft/core-probs";

/** An input or output of a graph. */
export interface OnnxValue {
  readonly name: string;
  /** Element type; "type N" for those that this package has no use for. */
  readonly type: string;
  /** A number is a fixed dimension, a string a named one, "" one without a name. */
  readonly dims: readonly (number | string)[];
}

/** The header of an ONNX file. */
export interface OnnxHeader {
  readonly path: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Operators by name, without their domain. */
  readonly operators: ReadonlySet<string>;
}

const typeNames: Readonly<Record<number, string>> = {
  1: "float32",
  6: "int32",
  7: "int64",
  9: "bool",
  10: "float16",
  16: "bfloat16",
};

/** Reads the header. @throws ModelFileError where the file cannot be opened or is not ONNX. */
export function readOnnxHeader(path: string): OnnxHeader {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new ModelFileError(
      `readOnnxHeader: cannot open ${path}: ${(cause as Error).message.replace(/, .*/, "")}`,
      { cause },
    );
  }
  try {
    return readModel(new Cursor(fd, path), path);
  } finally {
    closeSync(fd);
  }
}

function readModel(cursor: Cursor, path: string): OnnxHeader {
  const inputs: OnnxValue[] = [];
  const outputs: OnnxValue[] = [];
  const operators = new Set<string>();
  cursor.fields(cursor.size, (field, size) => {
    if (field !== 7) return; // the graph
    cursor.fields(size, (part, partSize) => {
      if (part === 1) operators.add(readOperator(cursor, partSize));
      else if (part === 11) inputs.push(readValue(cursor, partSize));
      else if (part === 12) outputs.push(readValue(cursor, partSize));
    });
  });
  if (outputs.length === 0) {
    throw new ModelFileError(`readOnnxHeader: ${path} is not an ONNX file: it has no outputs`);
  }
  return { path, inputs, outputs, operators };
}

function readOperator(cursor: Cursor, size: number): string {
  let operator = "";
  cursor.fields(size, (field, length) => {
    if (field === 4) operator = cursor.text(length);
  });
  return operator;
}

function readValue(cursor: Cursor, size: number): OnnxValue {
  let name = "";
  let type = "type 0";
  const dims: (number | string)[] = [];
  const readDimension = (length: number): void => {
    let dim: number | string = "";
    cursor.fields(length, (field, value) => {
      if (field === 1) dim = value;
      else if (field === 2) dim = cursor.text(value);
    });
    dims.push(dim);
  };
  // ValueInfoProto.type -> TypeProto.tensor_type -> its element type and shape -> the dimensions.
  cursor.fields(size, (field, length) => {
    if (field === 1) name = cursor.text(length);
    if (field !== 2) return;
    cursor.fields(length, (kind, kindLength) => {
      if (kind !== 1) return;
      cursor.fields(kindLength, (part, value) => {
        if (part === 1) type = typeNames[value] ?? `type ${value}`;
        else if (part === 2) cursor.fields(value, (_, dimLength) => readDimension(dimLength));
      });
    });
  });
  return { name, type, dims };
}

const windowBytes = 1 << 16;

/** A place in a file of protobuf messages. */
class Cursor {
  /** Of the file. */
  readonly size: number;
  private readonly fd: number;
  private readonly path: string;
  private readonly window = Buffer.alloc(windowBytes);
  /** Of the window in the file. */
  private start = 0;
  private filled = 0;
  private at = 0;

  constructor(fd: number, path: string) {
    this.fd = fd;
    this.path = path;
    this.size = fstatSync(fd).size;
  }

  /**
   * Walks the fields of a message of `size` bytes.
   *
   * @param visit Gets the number of a field and its value, or the size of a message or text, which it may read.
   */
  fields(size: number, visit: (field: number, value: number) => void): void {
    const end = this.at + size;
    while (this.at < end) {
      const tag = this.varint();
      const wire = tag & 7;
      const value = wire === 0 || wire === 2 ? this.varint() : wire === 1 ? 8 : 4;
      if (wire > 2 && wire !== 5) this.fail();
      const next = wire === 0 ? this.at : this.at + value;
      if (next > end) this.fail();
      visit(tag >>> 3, value);
      this.at = next;
    }
  }

  text(size: number): string {
    if (size > windowBytes || !this.has(size)) this.fail();
    const from = this.at - this.start;
    return this.window.toString("utf8", from, from + size);
  }

  private varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 63; factor *= 128) {
      if (!this.has(1)) this.fail();
      const byte = this.window[this.at++ - this.start];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    return this.fail();
  }

  /** Whether the file has `size` more bytes; they are in the window then. */
  private has(size: number): boolean {
    if (this.at < this.start || this.at + size > this.start + this.filled) {
      this.start = this.at;
      this.filled = readSync(this.fd, this.window, 0, windowBytes, this.at);
    }
    return this.at + size <= this.start + this.filled;
  }

  private fail(): never {
    throw new ModelFileError(
      `readOnnxHeader: ${this.path} is not an ONNX file, at byte ${this.at}`,
    );
  }
}
