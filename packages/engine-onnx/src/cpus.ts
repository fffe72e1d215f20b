/** How many CPUs there are to use. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/**
 * CPUs that this process may use: those it is bound to, but no more than the quota of its control groups, which Node does not look at. At least 1.
 *
 * @param root Root of the file system, for tests.
 */
export function usableCpus(root = ""): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota(root))));
}

/** CPUs of the smallest quota; Infinity where there is none, as outside of Linux. */
function quota(root: string): number {
  const groups = read(`${root}/proc/self/cgroup`);
  const [, path = "/"] = /^0::(\/.*)$/m.exec(groups) ?? [];
  const parts = path.split("/").filter((part) => part !== "");
  // A container sees its own group at the top, whatever its path outside.
  const folders = parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`);
  const quotas = ["", ...folders].map((folder) => {
    const [most, period] = read(`${root}/sys/fs/cgroup${folder}/cpu.max`).split(" ").map(Number);
    return most / period;
  });
  const first = `${root}/sys/fs/cgroup/cpu/cpu.cfs`;
  quotas.push(Number(read(`${first}_quota_us`)) / Number(read(`${first}_period_us`)));
  return Math.min(...quotas.filter((cpus) => cpus > 0), Infinity);
}

/** A file's text; "" where there is none. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
