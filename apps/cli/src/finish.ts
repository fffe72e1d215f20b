/** Runs a generation to its end. @param onStep Sees each step of it. @returns What it returns. */
export async function finish<S, R>(
  steps: AsyncGenerator<S, R>,
  onStep: (step: S) => void = () => {},
): Promise<R> {
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a step follows the one before it
    const { done, value } = await steps.next();
    if (done) return value;
    onStep(value);
  }
}
