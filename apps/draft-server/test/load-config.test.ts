import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addOptions, draftServerConfig, loadConfig } from "@veridraft/draft-server";
import { Command } from "commander";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";

const schema = z.strictObject({
  port: z.int().min(0).max(65_535).default(50_061).describe("Where to listen."),
  host: z.string().default("localhost"),
  drafter: z.enum(["suffix", "model"]).default("suffix"),
  draftModel: z.string().optional(),
  spinning: z.boolean().default(false),
});

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "veridraft-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "config.json");
  writeFileSync(path, text);
  return path;
}

function read(variables: Record<string, string>) {
  return loadConfig(schema, { env: { prefix: "APP_", variables } });
}

function parse(...args: string[]): Command {
  return addOptions(new Command("app").exitOverride(), schema).parse(args, { from: "user" });
}

describe("loadConfig()", () => {
  it("has the defaults of the schema", () => {
    expect(loadConfig(schema, {})).toEqual({
      port: 50_061,
      host: "localhost",
      drafter: "suffix",
      spinning: false,
    });
  });

  it("takes flags before the environment before the file", () => {
    const sources = {
      flags: { port: "1", host: undefined },
      env: { prefix: "APP_", variables: { APP_PORT: "2", APP_DRAFT_MODEL: "two.gguf" } },
      file: file('{"port": 3, "draftModel": "three.gguf", "spinning": true}'),
    };
    expect(loadConfig(schema, sources)).toMatchObject({
      port: 1,
      host: "localhost",
      draftModel: "two.gguf",
      spinning: true,
    });
  });

  it("reads text as the type of the setting", () => {
    expect(read({ APP_SPINNING: "true", APP_HOST: "1" })).toMatchObject({
      spinning: true,
      host: "1",
    });
    expect(read({ APP_SPINNING: "0" }).spinning).toBe(false);
    expect(() => read({ APP_SPINNING: "yes" })).toThrow("APP_SPINNING: Invalid input");
    expect(() => read({ APP_PORT: "tcp://10.0.0.1:50061" })).toThrow("APP_PORT: Invalid");
    expect(() => read({ APP_PORT: "" })).toThrow("APP_PORT: Invalid input");
  });

  it("ignores variables that are no settings, as Kubernetes sets them", () => {
    const env = { prefix: "APP_", variables: { APP_SERVICE_HOST: "10.0.0.1" } };
    expect(loadConfig(schema, { env }).host).toBe("localhost");
  });

  it("refuses unknown flags and keys, and says where they were", () => {
    expect(() => loadConfig(schema, { flags: { draftModle: "x" } })).toThrow(
      "--draft-modle is unknown",
    );
    const path = file('{"prot": 1}');
    expect(() => loadConfig(schema, { file: path })).toThrow(`prot in ${path} is unknown`);
  });

  it("refuses values out of range, and files that are no JSON object", () => {
    expect(() => loadConfig(schema, { flags: { port: "65536" } })).toThrow(
      "--port: Too big: expected number to be <=65535, got 65536",
    );
    expect(() => loadConfig(schema, { file: file("[]") })).toThrow("must hold a JSON object");
    expect(() => loadConfig(schema, { file: file("{") })).toThrow("JSON");
    expect(() => loadConfig(schema, { file: "/nonexistent.json" })).toThrow("ENOENT");
  });

  it("applies rules between settings", () => {
    expect(() => loadConfig(draftServerConfig, { flags: { drafter: "model" } })).toThrow(
      "--drafter: model needs draftModel",
    );
    const flags = { drafter: "model", draftModel: "small.gguf" };
    expect(loadConfig(draftServerConfig, { flags })).toMatchObject(flags);
  });
});

describe("addOptions()", () => {
  it("gives flags that loadConfig reads", () => {
    const flags = parse("--port", "7", "--draft-model", "x.gguf", "--spinning").opts();
    expect(loadConfig(schema, { flags })).toMatchObject({
      port: 7,
      draftModel: "x.gguf",
      spinning: true,
    });
    expect(parse("--no-spinning").opts()).toEqual({ spinning: false });
    expect(parse().opts()).toEqual({});
  });

  it("documents them", () => {
    const help = parse().helpInformation();
    expect(help).toContain("--port <integer>");
    expect(help).toContain("Where to listen. (default: 50061)");
    expect(help).toContain("--drafter <suffix|model>");
  });
});
