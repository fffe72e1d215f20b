/** What a normalizer makes of the parts of a text. */

/** A part of a text, and what is encoded in its place. */
export type Span = readonly [given: string, encoded: string];

/** A character and what may be composed with it: marks, and the vowels and last consonants of Hangul. */
const clusters = /[^][\p{M}\u1160-\u11ff]*/gu;

/** The spans of a text, in order: one where nothing changes, else one a character with its marks. */
export function spansOf(text: string, normalize: (text: string) => string): Span[] {
  const encoded = normalize(text);
  if (encoded === text) return [[text, text]];
  const spans = Array.from(text.matchAll(clusters), ([own]): Span => [own, normalize(own)]);
  // A normalizer that knows more than `clusters` does leaves one span.
  return spans.map(([, own]) => own).join("") === encoded ? spans : [[text, encoded]];
}
