import htm from 'htm'
import { h } from 'preact'
import { safe } from './format.js'

/** Templates of elements; whatever is put into one becomes a text node. */
export const html = htm.bind(h)

/** A sentence, in which what stands between two backquotes is code; a backquote without a second one stays. */
export function prose(text) {
  return String(text)
    .split(/(`[^`]+`)/)
    .map((part, i) => (i % 2 ? html`<code>${safe(part.slice(1, -1))}</code>` : safe(part)))
}
