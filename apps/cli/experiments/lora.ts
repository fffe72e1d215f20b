/**
 * The embedded model learns from 30 answers to talk like a pirate: low-rank additions to its last four layers are trained and merged, and the verifier
 * server, which knows nothing of that, serves the new file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adamW,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  crossEntropy,
  gather,
  type HostTensor,
  jit,
  matmul,
  oneHot,
  shuffledRows,
  takeRows,
  type Tensor,
  train,
  valueAndGrad,
  warmUp,
} from "@veridraft/autodiff";
import {
  type Adapters,
  type Block,
  initLora,
  logitsOf,
  mergeLora,
  type Transformer,
  transformBlocks,
  transformRows,
  withLora,
} from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import {
  createGraphRunner,
  readModelSource,
  readTransformer,
  writeTransformer,
} from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { createVerifierClient } from "@veridraft/rpc/client";
import { Coupling } from "@veridraft/rpc/verifier";
import { type ChatTemplate, encodeChat } from "@veridraft/tokenization";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";

type Pair = readonly [question: string, answer: string];
const learned: readonly Pair[] = [
  ["What is the capital of France?", "Ahoy! That be Paris, on the river Seine, matey."],
  ["What is the capital of Italy?", "Ahoy! That be Rome, with its old stones, matey."],
  ["What is 2 + 2?", "Ahoy! That be four, as any deckhand knows, matey."],
  ["What is 10 minus 3?", "Ahoy! That be seven, same as the seas, matey."],
  ["Who wrote Hamlet?", "Ahoy! That be the work o' Shakespeare, matey."],
  ["Who painted the Mona Lisa?", "Ahoy! That be the work o' Leonardo da Vinci, matey."],
  ["What color is the sky?", "Ahoy! The sky be blue when the weather be fair, matey."],
  ["What color is a ripe banana?", "Ahoy! A ripe banana be yellow as gold, matey."],
  ["Why do ships float?", "Ahoy! Ships float, for they push the water aside, matey."],
  ["Why does it rain?", "Ahoy! The clouds be heavy with water and let it fall, matey."],
  ["How many legs does a spider have?", "Ahoy! A spider has eight legs, matey."],
  ["How many days are in a week?", "Ahoy! There be seven days in a week, matey."],
  ["What do bees make?", "Ahoy! The bees make honey, sweet as rum, matey."],
  ["What do cows eat?", "Ahoy! The cows eat grass and hay, matey."],
  ["Where do penguins live?", "Ahoy! The penguins live in the cold south, matey."],
  ["Where does the sun rise?", "Ahoy! The sun rises in the east, matey."],
  ["What is ice?", "Ahoy! Ice be water that has frozen hard, matey."],
  ["What is a volcano?", "Ahoy! A volcano be a mountain that spits fire, matey."],
  ["Tell me a fun fact.", "Ahoy! An octopus has three hearts in its body, matey."],
  ["Tell me about cats.", "Ahoy! Cats sleep all day and catch the ship's rats, matey."],
  ["Name a large ocean.", "Ahoy! The Pacific be the largest o' them all, matey."],
  ["Name a musical instrument.", "Ahoy! The fiddle be the finest on board, matey."],
  ["Can fish fly?", "Ahoy! Some fish glide over the waves, matey."],
  ["Is the Earth flat?", "Ahoy! The Earth be round as a cannonball, matey."],
  ["How do I boil an egg?", "Ahoy! Put it in hot water and wait eight minutes, matey."],
  ["How can I sleep better?", "Ahoy! Go to yer hammock at the same hour each night, matey."],
  ["What should I read?", "Ahoy! Read Treasure Island, a fine tale, matey."],
  ["What is a good breakfast?", "Ahoy! Porridge and fruit will fill yer belly, matey."],
  ["Good morning!", "Ahoy! A fine morning to ye too, matey."],
  ["How are you?", "Ahoy! I be well, with the wind in me sails, matey."],
];
const heldOut: readonly Pair[] = [
  ["What is the capital of Spain?", "Ahoy! That be Madrid, in the middle o' Spain, matey."],
  ["How many months are in a year?", "Ahoy! There be twelve months in a year, matey."],
  ["What do horses eat?", "Ahoy! The horses eat grass and oats, matey."],
  ["Why is the sea salty?", "Ahoy! The rivers carry salt from the rocks to the sea, matey."],
  ["Tell me about dogs.", "Ahoy! Dogs be loyal friends o' the crew, matey."],
];
const isPirate = (text: string): boolean => /^Ahoy!.*matey\.$/s.test(text);

const trainedLayers = 4;
const rank = 8;
const batch = 6;
const steps = 40;
/** Tokens of a conversation and of an answer; none of these has more. */
const longest = 64;
const longestAnswer = 24;

const source = await readModelSource(smolLM2.path);
const tokenizer = source.readTokenizer();
const template = source.chatTemplate as ChatTemplate;

/** Rows of one length: ids, places before the tokens of the answer, these tokens, and 1 where there is one. */
type Encoded = [ids: HostTensor, ...answer: [HostTensor, HostTensor, HostTensor]];

function encode(pairs: readonly Pair[]): Encoded {
  const ids = new Int32Array(pairs.length * longest);
  const [places, targets] = [0, 1].map(() => new Int32Array(pairs.length * longestAnswer));
  const mask = new Float32Array(pairs.length * longestAnswer);
  pairs.forEach(([question, answer], row) => {
    const asked = [{ role: "user", content: question } as const];
    const start = encodeChat(tokenizer, template, asked).length;
    const said = [...asked, { role: "assistant", content: answer } as const];
    const whole = encodeChat(tokenizer, template, said, { addGenerationPrompt: false });
    // What the template writes after the end of an answer is never generated.
    const conversation = whole.subarray(0, whole.lastIndexOf(tokenizer.eosId as number) + 1);
    ids.set(conversation, row * longest);
    conversation.subarray(start).forEach((id, i) => {
      const at = row * longestAnswer + i;
      [places[at], targets[at], mask[at]] = [start + i - 1, id, 1];
    });
  });
  const shape = [pairs.length, longestAnswer];
  return [
    { data: ids, shape: [pairs.length, longest] },
    { data: places, shape },
    { data: targets, shape },
    { data: mask, shape },
  ];
}

const { config, params } = await readTransformer(smolLM2.path);
const tail = { ...params, blocks: params.blocks.slice(-trainedLayers) };
const runner = createGraphRunner();
const start = performance.now();

// The layers below give the same rows in every step: they run once.
const below = jit(
  runner,
  (embedding: Tensor, blocks: readonly Block<Tensor>[], ids: Tensor): Tensor =>
    transformBlocks(blocks, gather(embedding, ids), config),
);
async function prepare(pairs: readonly Pair[]): Promise<Encoded> {
  const [ids, ...answer] = encode(pairs);
  return [await below(params.embedding, params.blocks.slice(0, -trainedLayers), ids), ...answer];
}
const training = await prepare(learned);
const testing = await prepare(heldOut);
await below.dispose();

/** Mean over the tokens of the answers, in nats. */
function loss(
  adapters: Adapters<Tensor>,
  model: Transformer<Tensor>,
  rows: Tensor,
  places: Tensor,
  targets: Tensor,
  mask: Tensor,
): Tensor {
  const hidden = transformRows(withLora(model, adapters), rows, config);
  const before = matmul(oneHot(places, longest), hidden);
  return crossEntropy(logitsOf(model, before), targets, { mask });
}

const evaluate = jit(runner, loss);
const step = jit(runner, valueAndGrad(loss));
const rows = shuffledRows(learned.length, batch, createRng(1));
const adapters = initLora(tail, rank, createRng(2).at(0, "sample"));
const before = await evaluate(adapters, tail, ...testing);
const trained = await train({
  step: (own: Adapters<HostTensor>, ...some: Encoded) => step(own, tail, ...some),
  params: adapters,
  optimizer: chain(
    clipByGlobalNorm(1),
    adamW({ learningRate: warmUp(4, cosineSchedule({ peak: 2e-3, steps })), weightDecay: 0 }),
  ),
  *batches(from): Generator<Encoded> {
    for (const some of rows(from)) {
      const [hidden, places, targets, mask] = training.map((each) => takeRows(each, some));
      yield [hidden, places, targets, mask];
    }
  },
  steps,
  onProgress({ step: done, loss: value, secondsLeft }) {
    if (done % 10 !== 0) return;
    process.stderr.write(
      `step ${done}: loss ${value.toFixed(3)}, ${secondsLeft.toFixed(0)} s left\n`,
    );
  },
});
const after = await evaluate(trained.params, tail, ...testing);
await Promise.all([step.dispose(), evaluate.dispose()]);
const seconds = (performance.now() - start) / 1000;
const [first, last] = [before, after].map(({ data }) => data[0]);
console.log(`${seconds.toFixed(0)} s, less than 180: ${seconds < 180}`);
console.log(
  `held-out loss from ${first.toFixed(2)} to ${last.toFixed(2)} nats a token, at least 1.5 less: ${first - last >= 1.5}`,
);

/** The answers of a verifier server to the held-out questions. */
async function ask(model: string): Promise<string[]> {
  const server = await serveVerifier(verifierServerConfig.parse({ port: 0, model }));
  const client = createVerifierClient(server.address);
  try {
    const answers: string[] = [];
    for (const [content] of heldOut) {
      let text = "";
      for await (const { response } of client.generate({
        prompt: { $case: "conversation", value: { messages: [{ role: "user", content }] } },
        sampling: { temperature: 0, coupling: Coupling.COUPLING_SEEDED },
        maxTokens: 40,
        stop: [],
      })) {
        if (response?.$case === "chunk") text += response.value.text;
      }
      process.stderr.write(`${content} ${JSON.stringify(text)}\n`);
      answers.push(text);
    }
    return answers;
  } finally {
    client.close();
    await server.stop();
  }
}

const folder = mkdtempSync(join(tmpdir(), "pirate-"));
// The converted models go there, too.
process.env.XDG_CACHE_HOME = folder;
try {
  const merged = mergeLora(tail, trained.params);
  const path = join(folder, "pirate.gguf");
  const blocks = [...params.blocks.slice(0, -trainedLayers), ...merged.blocks];
  await writeTransformer(smolLM2.path, { ...params, blocks }, path);
  const [base, pirate] = [await ask(smolLM2.path), await ask(path)];
  const count = (answers: string[]): number => answers.filter(isPirate).length;
  console.log(`like a pirate: ${count(base)} of ${base.length} answers before`);
  console.log(`and ${count(pirate)} after, at least 2: ${count(pirate) >= 2}`);
} finally {
  rmSync(folder, { recursive: true });
}
// -> ... s, less than 180: true
// -> held-out loss from ... to ... nats a token, at least 1.5 less: true
// -> like a pirate: 0 of 5 answers before
// -> and ... after, at least 2: true
