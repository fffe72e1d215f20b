/** A loss curve as an SVG document, for a browser or a README, in light and dark. */

/** The loss at a step. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

const size = { width: 640, height: 360 };
const margin = { left: 64, right: 16, top: 36, bottom: 40 };
/** More points of a line than this are not told apart. */
const maxPoints = 1000;
const style = `
svg { background: #fff; color: #222; font: 12px sans-serif }
@media (prefers-color-scheme: dark) { svg { background: #181818; color: #ddd } }
text { fill: currentColor }
path { fill: none; stroke: currentColor }
.grid { stroke-opacity: .15 }
.raw { stroke: #4c8bf5; stroke-opacity: .35 }
.smooth { stroke: #4c8bf5; stroke-width: 2 }`;

/**
 * The losses as a thin line and their mean over a fiftieth of the points as a thick one.
 *
 * @param points In the order of steps; losses that are not finite are left out. None gives empty axes.
 * @param title Above the curve.
 */
export function lossCurve(points: readonly LossPoint[], title = "loss"): string {
  const finite = points.filter(({ loss }) => Number.isFinite(loss));
  const smooth = smoothed(finite);
  const steps = axis(finite.map(({ step }) => step));
  const losses = axis(finite.map(({ loss }) => loss));
  const x = scale(steps, margin.left, size.width - margin.right);
  const y = scale(losses, size.height - margin.bottom, margin.top);
  const line = (kind: string, some: readonly LossPoint[]): string => {
    const stride = Math.ceil(some.length / maxPoints);
    const shown = some.filter((_, i) => i % stride === 0 || i === some.length - 1);
    const pairs = shown.map(({ step, loss }) => `${x(step)} ${y(loss)}`);
    return pairs.length > 1 ? `<path class="${kind}" d="M${pairs.join("L")}"/>` : "";
  };
  const bottom = size.height - margin.bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${style}</style>`,
    `<text x="${margin.left}" y="22" font-weight="bold">${escape(title)}</text>`,
    ...steps.ticks.map(
      (tick) => `<text x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${tick}</text>`,
    ),
    ...losses.ticks.map(
      (tick) =>
        `<path class="grid" d="M${margin.left} ${y(tick)}H${size.width - margin.right}"/>` +
        `<text x="${margin.left - 6}" y="${y(tick)}" dy=".35em" text-anchor="end">${tick}</text>`,
    ),
    `<text x="${(margin.left + size.width) / 2}" y="${size.height - 6}" text-anchor="middle">step</text>`,
    line("raw", finite),
    line("smooth", smooth),
    "</svg>",
    "",
  ].join("\n");
}

/** The mean over a hundredth of the points on either side, so that it does not lag. */
function smoothed(points: readonly LossPoint[]): LossPoint[] {
  const reach = Math.floor(points.length / 100);
  const sums = new Float64Array(points.length + 1);
  points.forEach(({ loss }, i) => (sums[i + 1] = sums[i] + loss));
  return points.map(({ step }, i) => {
    const from = Math.max(0, i - reach);
    const to = Math.min(points.length, i + reach + 1);
    return { step, loss: (sums[to] - sums[from]) / (to - from) };
  });
}

interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

/** Round numbers that enclose the values, about five. */
function axis(values: readonly number[]): Axis {
  const least = values.reduce((a, b) => Math.min(a, b), Infinity);
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const [from, to] = least < most ? [least, most] : [values[0] ?? 0, (values[0] ?? 0) + 1];
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.floor(from / unit);
  const last = Math.ceil(to / unit);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * unit).toPrecision(12)),
  );
  return { low: ticks[0], high: ticks[ticks.length - 1], ticks };
}

function scale({ low, high }: Axis, from: number, to: number): (value: number) => number {
  return (value) => Math.round((from + ((value - low) / (high - low)) * (to - from)) * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
