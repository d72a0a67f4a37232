// The part of the address after `#`: which part is looked at, and how: `#flame?zoom=3&search=dict`.

export function parse(hash = location.hash) {
  const [id, query = ''] = hash.replace(/^#/, '').split('?')
  return { id: decodeURIComponent(id), state: new URLSearchParams(query) }
}

/** The state of a part in the address; empty if the address is of another part. */
export function stateOf(id) {
  const address = parse()
  return address.id === id ? address.state : new URLSearchParams()
}

/** Writes the state of a part into the address, without a step in the history. */
export function remember(id, state) {
  const entries = Object.entries(state).filter(([, value]) => value !== '' && value !== null && value !== undefined)
  const query = new URLSearchParams(entries).toString()
  history.replaceState(null, '', `#${id}${query ? `?${query}` : ''}`)
}
