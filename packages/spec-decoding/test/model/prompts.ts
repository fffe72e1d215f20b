import type { ChatMessage } from "@veridraft/tokenization";

const questions = [
  "What is gravity?",
  "Why is the sky blue?",
  "How many legs do three spiders have together?",
  "Explain in one sentence what a compiler does.",
  "Tell me a joke about a penguin.",
  "¿Cuál es la capital de España?",
  "Was ist ein Regenbogen?",
  // Answers that repeat their question: look-ups succeed.
  "Repeat this sentence: The committee of seven members will meet on the ninth of March in the old town hall.",
  "Fix the spelling: The qick brown fox jumps over the lazy dog while the old cat sleeps on the warm roof.",
  "Replace red by blue: The red car stopped at the red light, and the red bus waited behind the red car.",
  "Summarize: Bees visit flowers to collect nectar. While they collect nectar, bees carry pollen from flower to flower.",
  "Sort these names and list them, one a line: Mia, Adam, Zoe, Liam, Eva, Noah.",
  "Translate into French: Good morning, where is the railway station?",
  "Write a Python function that returns the factorial of n.",
  "What does this print? for (let i = 0; i < 3; i++) console.log(i * i);",
];

const beginnings = [
  "def fibonacci(n):\n    if n < 2:\n        return n\n",
  '[{"name": "Ada", "born": 1815}, {"name": "Alan", "born": 1912}, {"name": "Grace", "born":',
  "function add(a, b) {\n  return a + b;\n}\n\nfunction subtract(a, b) {\n  return",
  "Il était une fois, dans une petite maison au bord de la mer,",
  "むかしむかし、あるところに、おじいさんと",
];

/** Twenty prompts for the chat template and plain texts to go on with: questions, rewriting, code, other languages. */
export const prompts: readonly (string | readonly ChatMessage[])[] = [
  ...questions.map((content) => [{ role: "user", content } as const]),
  ...beginnings,
];
