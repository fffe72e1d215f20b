/** What `veridraft bench` asks: three prompts of each kind, so that no round repeats an answer that a drafter has seen. */
const library = `The town library opens at nine in the morning and closes at six in the evening. On Fridays it stays open until eight. Members may borrow up to ten books for three weeks. Reading rooms on the second floor can be reserved for two hours a day.`;
const bridge = `The old bridge across the river was built in 1884 by the engineer Maria Keller. It is 212 metres long and carries two lanes of traffic. In 1987 it was closed for repairs for eleven months. Since 2003 it has been a protected monument, and lorries are no longer allowed to cross it.`;
const order = `Hello, my name is Peter Lang. I ordered three blue mugs and one teapot on 4 May under order number 88213. The teapot arrived broken. Please send a new one to 12 Mill Street, Dover. You can reach me at peter@example.com.`;

/** Prompts by kind. */
export const benchPrompts: Readonly<Record<string, readonly string[]>> = {
  question: [
    "Why is the sky blue?",
    "What should I think about before I adopt a dog?",
    "Explain to a child how a rainbow comes about.",
  ],
  rewriting: [
    `Rewrite this text and replace "library" by "museum" everywhere:\n${library}`,
    `Correct nothing, just repeat this text, but write "1890" instead of "1884":\n${bridge}`,
    `Rewrite this message so that the teapot is replaced by a vase:\n${order}`,
  ],
  summary: [
    `Summarize this text in two sentences:\n${library}`,
    `Summarize this text in two sentences:\n${bridge}`,
    `Summarize this message for a colleague:\n${order}`,
  ],
  extraction: [
    `Answer from the text and quote the sentence that says it. How long may a member keep a book?\n${library}`,
    `List every number in this text with the words around it:\n${bridge}`,
    `Write a JSON object with the fields name, order, items and address for this message:\n${order}`,
  ],
  code: [
    "Write a Python function that checks whether a string is a palindrome.",
    "Write a JavaScript class for a stack with push, pop and peek.",
    "Write a SQL query that lists the ten customers with the most orders.",
  ],
};
