const marker: unique symbol = Symbol.for("@veridraft/ProbsError") as never;

/** What went wrong, as a word that programs can switch on. */
export type ProbsErrorCode =
  | "INVALID_ARGUMENT"
  | "SHAPE"
  | "DEGENERATE_DISTRIBUTION"
  | "CONTEXT_LENGTH"
  | "UNSUPPORTED"
  | "MODEL_FILE"
  | "RESOURCE_EXHAUSTED";

/**
 * Base of every error that veridraft throws on purpose. The message is `function: what, with both values`; whatever is not a ProbsError is a bug.
 * Recognize it with {@link isProbsError}: `instanceof` fails where two copies of the package are installed.
 */
export class ProbsError extends Error {
  readonly [marker] = true;
  readonly code: ProbsErrorCode;

  constructor(code: ProbsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** An argument is outside its documented range. */
export class InvalidArgumentError extends ProbsError {
  constructor(message: string, options?: ErrorOptions) {
    super("INVALID_ARGUMENT", message, options);
  }
}

/** Two arrays that must agree in length do not. */
export class ShapeError extends ProbsError {
  constructor(message: string, options?: ErrorOptions) {
    super("SHAPE", message, options);
  }
}

/** A distribution has no mass: every token is masked, or the logits hold NaN. */
export class DegenerateDistributionError extends ProbsError {
  constructor(message: string, options?: ErrorOptions) {
    super("DEGENERATE_DISTRIBUTION", message, options);
  }
}

/** More tokens than the model's context holds. */
export class ContextLengthError extends ProbsError {
  constructor(message: string, options?: ErrorOptions) {
    super("CONTEXT_LENGTH", message, options);
  }
}

/** The request is well formed, but this model, file or build cannot do it. */
export class UnsupportedError extends ProbsError {
  constructor(message: string, options?: ErrorOptions) {
    super("UNSUPPORTED", message, options);
  }
}

/** A model file is unreadable, damaged or not what its header says. */
export class ModelFileError extends ProbsError {
  constructor(message: string, options?: ErrorOptions) {
    super("MODEL_FILE", message, options);
  }
}

/** A bound on memory is reached; what runs goes on. */
export class ResourceExhaustedError extends ProbsError {
  constructor(message: string, options?: ErrorOptions) {
    super("RESOURCE_EXHAUSTED", message, options);
  }
}

/** Whether `error` is a {@link ProbsError}, from this or another copy of the package. */
export function isProbsError(error: unknown): error is ProbsError {
  return typeof error === "object" && error !== null && marker in error;
}
