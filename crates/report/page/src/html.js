import htm from 'htm'
import { h } from 'preact'

/** Templates of elements; whatever is put into one becomes a text node. */
export const html = htm.bind(h)
