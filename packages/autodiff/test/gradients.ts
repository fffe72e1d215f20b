/** Checks vector-Jacobian products against central differences of fourth order. */
import { input, jit, type Tensor, vjp } from "@veridraft/autodiff";
import { createGraphRunner } from "@veridraft/engine-onnx";

/** One thread: the tensors are small. */
export const runner = createGraphRunner({ threads: 1 });

/** A float32 host tensor. */
export interface FloatTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/**
 * Values that are at least 0.08 apart from each other and 0.02 from 0, so that no difference crosses a kink, in an order that depends on the seed.
 *
 * @param at Which argument it is: the values of others are at least 0.04 away.
 * @param positive Leaves those above 0.
 */
export function spreadValues(
  shape: readonly number[],
  seed: number,
  at = 0,
  positive = false,
): FloatTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const order = Array.from({ length: size }, (_, i) => i);
  let state = seed >>> 0;
  for (let i = size - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const lowest = (positive ? 0.32 : -0.08 * Math.floor(size / 2)) + (at % 2 === 0 ? 0.02 : 0.06);
  return { data: Float32Array.from(order, (i) => lowest + 0.08 * i), shape };
}

const step = 0.008;
/** Places and weights of the fourth-order difference. */
const stencil = [
  [-2, 1 / 12],
  [-1, -8 / 12],
  [1, 8 / 12],
  [2, -1 / 12],
] as const;

/**
 * Where the gradients of `f`, weighted by fixed cotangents, differ from those by differences by more than 2e-3; nothing where they agree.
 *
 * @param f A function of float32 tensors whose result is one.
 */
export async function gradientErrors(
  f: (...xs: Tensor[]) => Tensor,
  args: readonly FloatTensor[],
): Promise<string[]> {
  const forward = jit(runner, (xs: readonly Tensor[]) => f(...xs));
  const backward = jit(runner, (xs: readonly Tensor[], cotangent: Tensor) =>
    vjp([f(...xs)], [cotangent], xs).map((gradient) => gradient as Tensor),
  );
  const errors: string[] = [];
  const y = await forward(args);
  const inferred = f(...args.map(({ shape }) => input("float32", shape))).shape;
  if (inferred.join() !== y.shape.join()) errors.push(`inferred [${inferred}], ran [${y.shape}]`);
  const cotangent = spreadValues(y.shape, 7);
  const gradients = await backward(args, cotangent);
  for (const [i, { data, shape }] of args.entries()) {
    if (gradients[i].shape.join() !== shape.join()) errors.push(`shape [${gradients[i].shape}]`);
    for (let j = 0; j < data.length; j++) {
      let difference = 0;
      for (const [places, weight] of stencil) {
        const moved = args.with(i, { shape, data: data.with(j, data[j] + places * step) });
        const value = (await forward(moved)).data;
        for (let k = 0; k < value.length; k++) {
          difference += (weight / step) * cotangent.data[k] * value[k];
        }
      }
      const found = gradients[i].data[j];
      if (!(Math.abs(found - difference) <= 2e-3 * (1 + Math.abs(difference)))) {
        errors.push(`argument ${i} at ${j}: ${found}, by differences ${difference}`);
      }
    }
  }
  await Promise.all([forward.dispose(), backward.dispose()]);
  return errors;
}
