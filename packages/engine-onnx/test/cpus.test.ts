import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { usableCpus } from "../src/cpus.ts";

function root(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "veridraft-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${text}\n`);
  }
  return folder;
}

describe("usableCpus", () => {
  it("is what Node says where no quota is set", () => {
    expect(usableCpus(root({}))).toBe(availableParallelism());
    expect(usableCpus(root({ "sys/fs/cgroup/cpu.max": "max 100000" }))).toBe(
      availableParallelism(),
    );
    const first = "sys/fs/cgroup/cpu/cpu.cfs";
    expect(usableCpus(root({ [`${first}_quota_us`]: "-1", [`${first}_period_us`]: "1" }))).toBe(
      availableParallelism(),
    );
  });

  it("rounds a quota down, to at least 1", () => {
    expect(usableCpus(root({ "sys/fs/cgroup/cpu.max": "190000 100000" }))).toBe(1);
    expect(usableCpus(root({ "sys/fs/cgroup/cpu.max": "50000 100000" }))).toBe(1);
    const first = "sys/fs/cgroup/cpu/cpu.cfs";
    const quota = { [`${first}_quota_us`]: "100000", [`${first}_period_us`]: "100000" };
    expect(usableCpus(root(quota))).toBe(1);
  });

  it("takes the smallest quota of the groups above", () => {
    const files = {
      "proc/self/cgroup": "0::/pods/mine",
      "sys/fs/cgroup/pods/cpu.max": "100000 100000",
      "sys/fs/cgroup/pods/mine/cpu.max": "max 100000",
    };
    expect(usableCpus(root(files))).toBe(1);
  });
});
