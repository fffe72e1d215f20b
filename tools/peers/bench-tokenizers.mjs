// Encoding speed with the vocabularies of OpenAI: veridraft beside gpt-tokenizer, ai-tokenizer, tiktoken (WASM), js-tiktoken and @huggingface/tokenizers.
//
//   node --conditions=@veridraft/source --import tsx tools/peers/bench-tokenizers.mjs [--write]
//
// Each library with each vocabulary has processes of its own, three rounds interleaved, the best of which counts. "cold" is the first pass over a text of
// a tokenizer that has only seen another text, "warm" the best of three further ones. The tables have time by the clock; under each are the ratios of that
// and of the CPU time of the whole process, V8's compiler threads included. A library whose ids are not those of tiktoken is marked. --write puts the
// tables into the README of the package.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// By name at run time: this folder is not part of the workspace.
const workspace = (name) => import(name);
const script = fileURLToPath(import.meta.url);
const rounds = 3;
const hostileLength = 80_000;
const hostileSeconds = 20;
/** tiktoken's names of the encodings. */
const vocabularies = { gpt2: "r50k_base", cl100k: "cl100k_base", o200k: "o200k_base" };
const ordinary = { disallowedSpecial: new Set() };

/** What tokenizerFromTiktoken takes, with the file that js-tiktoken packs into lines of "! first token token". */
async function tiktokenArguments(ranks) {
  const { tiktokenEncodings } = await workspace("@veridraft/tokenization");
  const { default: packed } = await import(`js-tiktoken/ranks/${ranks}`);
  const lines = packed.bpe_ranks.split("\n").map((line) => {
    const [, first, ...tokens] = line.split(" ");
    return tokens.map((token, i) => `${token} ${Number(first) + i}`).join("\n");
  });
  return [lines.join("\n"), tiktokenEncodings[ranks]];
}

/** Of each library, what it takes to encode with a vocabulary; the promise resolves to a function that makes an encoder. */
const libraries = {
  async veridraft(ranks) {
    const { tokenizerFromTiktoken } = await workspace("@veridraft/tokenization");
    const [file, encoding] = await tiktokenArguments(ranks);
    return () => {
      const tokenizer = tokenizerFromTiktoken(file, encoding);
      return (text) => tokenizer.encode(text);
    };
  },
  async "veridraft, saved tables"(ranks) {
    const { saveTables, tokenizerFromTables, tokenizerFromTiktoken } =
      await workspace("@veridraft/tokenization");
    const [file, encoding] = await tiktokenArguments(ranks);
    const folder = mkdtempSync(join(tmpdir(), "tables-"));
    const path = join(folder, "tables");
    writeFileSync(path, saveTables(tokenizerFromTiktoken(file, encoding)));
    process.on("exit", () => rmSync(folder, { recursive: true }));
    return () => {
      const tokenizer = tokenizerFromTables(readFileSync(path));
      return (text) => tokenizer.encode(text);
    };
  },
  async "gpt-tokenizer"(ranks) {
    return async () => {
      const { encode } = await import(`gpt-tokenizer/encoding/${ranks}`);
      return (text) => encode(text, ordinary);
    };
  },
  async "ai-tokenizer"(ranks) {
    if (ranks === "r50k_base") return undefined;
    const { Tokenizer } = await import("ai-tokenizer");
    return async () => {
      const tokenizer = new Tokenizer(await import(`ai-tokenizer/encoding/${ranks}`));
      return (text) => tokenizer.encode(text, "all");
    };
  },
  async "tiktoken (WASM)"(ranks) {
    const { get_encoding: getEncoding } = await import("tiktoken");
    return () => {
      const encoding = getEncoding(ranks);
      return (text) => encoding.encode_ordinary(text);
    };
  },
  async "js-tiktoken"(ranks) {
    const { Tiktoken } = await import("js-tiktoken/lite");
    const { default: packed } = await import(`js-tiktoken/ranks/${ranks}`);
    return () => {
      const encoding = new Tiktoken(packed);
      return (text) => encoding.encode(text, [], []);
    };
  },
  async "@huggingface/tokenizers"(ranks) {
    const { tokenizerFromTiktoken, toTokenizerJson } = await workspace("@veridraft/tokenization");
    const { Tokenizer } = await workspace("@huggingface/tokenizers");
    const [file, encoding] = await tiktokenArguments(ranks);
    const json = {
      ...toTokenizerJson(tokenizerFromTiktoken(file, encoding)),
      added_tokens: [],
    };
    return () => {
      const tokenizer = new Tokenizer(json, {});
      return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids;
    };
  },
};

function gather(pattern, characters) {
  const installed = fileURLToPath(new URL("../../node_modules/", import.meta.url));
  let text = "";
  for (const path of readdirSync(installed, { recursive: true })
    .filter((name) => pattern.test(name))
    .toSorted()) {
    if (text.length >= characters) break;
    if (statSync(installed + path).isFile())
      text += readFileSync(installed + path, "utf8").slice(0, 100_000);
  }
  return text.slice(0, characters).toWellFormed();
}

/** Names and dates in the words of eight languages, a script each. */
function scripts(characters) {
  const locales = ["ar", "el", "he", "hi", "ja", "ko", "ru", "th"];
  const regions = Array.from({ length: 676 }, (_, i) =>
    String.fromCharCode(65 + Math.floor(i / 26), 65 + (i % 26)),
  );
  const lines = [];
  for (let day = 0, length = 0; length < characters; day++) {
    const locale = locales[day % 8];
    const names = new Intl.DisplayNames([locale], {
      type: day % 3 ? "region" : "language",
      fallback: "code",
    });
    const date = new Date(Date.UTC(1990, 0, day * 5)).toLocaleDateString(locale, {
      dateStyle: "full",
      timeZone: "UTC",
    });
    const [first, second] = [regions[(day * 7) % 676], regions[(day * 11) % 676]];
    const name = (code) => names.of(day % 3 ? code : code.toLowerCase());
    lines.push(`${name(first)}, ${name(second)}: ${date}.`);
    length += lines.at(-1).length + 1;
  }
  return lines.join("\n");
}

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
async function timed(run) {
  const [start, startCpu] = [performance.now(), cpu()];
  const result = await run();
  return { ms: performance.now() - start, cpuMs: cpu() - startCpu, result };
}

async function measure(library, vocabulary, texts) {
  const make = await libraries[library](vocabularies[vocabulary]);
  if (make === undefined) return undefined;
  const { ms: init, result: encode } = await timed(make);
  encode(gather(/(^|\/)license(\.md|\.txt)?$/i, 200_000));
  const speeds = {};
  const digest = createHash("sha256");
  for (const [name, text] of Object.entries(texts)) {
    const rate = (ms) => Buffer.byteLength(text) / 1000 / ms;
    const cold = await timed(() => encode(text));
    digest.update(Int32Array.from(cold.result));
    const warm = [];
    for (let i = 0; i < 3; i++) warm.push(await timed(() => encode(text)));
    speeds[name] = {
      cold: rate(cold.ms),
      warm: rate(Math.min(...warm.map(({ ms }) => ms))),
      coldCpu: rate(cold.cpuMs),
      warmCpu: rate(Math.min(...warm.map(({ cpuMs }) => cpuMs))),
    };
  }
  return { init, speeds, ids: digest.digest("hex") };
}

async function measureHostile(library, vocabulary) {
  const make = await libraries[library](vocabularies[vocabulary]);
  if (make === undefined) return undefined;
  const encode = await make();
  encode("warm up ".repeat(100));
  const random = Array.from(
    { length: hostileLength },
    (_, i) => 97 + ((Math.imul(i + 1, 0x9e3779b1) >>> 8) % 26),
  );
  const texts = [
    "a".repeat(hostileLength),
    "_".repeat(hostileLength),
    String.fromCharCode(...random),
  ];
  const times = [];
  for (const text of texts) times.push((await timed(() => encode(text))).ms);
  return times;
}

const [, , mode, library, vocabulary] = process.argv;
if (mode === "--speed" || mode === "--hostile") {
  const texts = {
    English: gather(/(^|\/)readme\.md$/i, 1e6),
    code: gather(/\.m?js$/, 1e6),
    "8 scripts": scripts(250_000),
  };
  const result =
    mode === "--speed"
      ? await measure(library, vocabulary, texts)
      : await measureHostile(library, vocabulary);
  console.log(JSON.stringify(result ?? null));
} else {
  const child = (kind, name, words, timeout) => {
    const options = { encoding: "utf8", timeout, stdio: ["ignore", "pipe", "inherit"] };
    const { stdout, status } = spawnSync(
      process.execPath,
      [...process.execArgv, script, kind, name, words],
      options,
    );
    return status === 0 ? JSON.parse(stdout) : undefined;
  };
  let report = `${cpus()[0].model.trim()}, Node ${process.version}; MB/s, cold / warm. Ids equal tiktoken's unless marked.\n`;
  for (const words of Object.keys(vocabularies)) {
    const best = {};
    for (let round = 0; round < rounds; round++) {
      for (const name of Object.keys(libraries)) {
        const result = child("--speed", name, words, 120_000);
        if (!result) continue;
        best[name] ??= result;
        best[name].init = Math.min(best[name].init, result.init);
        for (const [text, speed] of Object.entries(result.speeds)) {
          for (const [key, rate] of Object.entries(speed))
            best[name].speeds[text][key] = Math.max(best[name].speeds[text][key], rate);
        }
      }
    }
    const kinds = Object.keys(best.veridraft.speeds);
    report += `\n| ${words} | ${kinds.join(" | ")} | ready after, ms | 80,000 a / _ / random letters, ms |\n| --- |${" --- |".repeat(kinds.length + 2)}\n`;
    for (const [name, { speeds, init }] of Object.entries(best)) {
      const hostile = child("--hostile", name, words, hostileSeconds * 1000);
      const cells = Object.values(speeds).map(
        ({ cold, warm }) => `${cold.toFixed(1)} / ${warm.toFixed(1)}`,
      );
      const times = hostile
        ? hostile.map((ms) => ms.toFixed(0)).join(" / ")
        : `more than ${hostileSeconds} s in all`;
      const mark = best[name].ids === best["tiktoken (WASM)"].ids ? "" : " (other ids)";
      report += `| ${name}${mark} | ${cells.join(" | ")} | ${init.toFixed(0)} | ${times} |\n`;
    }
    const others = Object.entries(best).filter(([name]) => !name.startsWith("veridraft"));
    const factors = (...keys) =>
      kinds.flatMap((text) =>
        keys.map(
          (key) =>
            best.veridraft.speeds[text][key] /
            Math.max(...others.map(([, { speeds }]) => speeds[text][key])),
        ),
      );
    const [clock, cpuTime] = [factors("cold", "warm"), factors("coldCpu", "warmCpu")].map(
      (all) => `${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)}`,
    );
    report += `\n${words}: ${clock} times as fast as the fastest of the others, ${cpuTime} by CPU time.\n`;
  }
  console.log(report);
  if (mode === "--write") {
    const readme = fileURLToPath(new URL("../../packages/tokenization/README.md", import.meta.url));
    const text = readFileSync(readme, "utf8");
    const marked = /(<!-- bench-tokenizers -->\n)[^]*(<!-- end -->)/;
    writeFileSync(
      readme,
      text.replace(marked, (_, start, end) => `${start}\n${report}\n${end}`),
    );
  }
}
