import type { Tokenizer } from "@veridraft/tokenization";
import { quotePiece } from "./quote-piece.ts";

/** Colors that are told apart side by side; neighbors never have the same. */
const hues = [210, 45, 140, 280, 0, 180, 90, 320];

/** A page that shows a text with a color for each token; pointing at one shows its id. */
export function tokenizeHtml(tokenizer: Tokenizer, text: string): string {
  const ids = tokenizer.encode(text);
  const spans = Array.from(ids, (id, i) => {
    const piece = tokenizer.piece(id);
    const shown = escape(piece).replaceAll("\n", "↵\n");
    const title = escape(`${id} ${quotePiece(piece)}`);
    return `<span style="--hue:${hues[i % hues.length]}" title="${title}">${shown}</span>`;
  });
  return `<!doctype html>
<meta charset="utf-8">
<title>${ids.length} tokens</title>
<style>
body { font: 16px/1.8 ui-monospace, monospace; margin: 2em auto; max-width: 60em; padding: 0 1em; }
p { white-space: pre-wrap; overflow-wrap: anywhere; }
span { background: hsl(var(--hue) 80% 85%); color: #111; border-radius: 3px; padding: 2px 0; }
span:hover { outline: 2px solid hsl(var(--hue) 80% 35%); }
</style>
<h1>${ids.length} tokens</h1>
<p>${spans.join("")}</p>
`;
}

function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
