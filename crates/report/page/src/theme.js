import { useEffect, useState } from 'preact/hooks'
import { html } from './html.js'

const THEMES = ['auto', 'light', 'dark']

/** The choice of colours: those of the system, or others. Charts are told when they change. */
export function Theme() {
  const [theme, setTheme] = useState('auto')
  useEffect(() => {
    document.documentElement.dataset.theme = theme
    window.dispatchEvent(new Event('themechange'))
    const media = window.matchMedia('(prefers-color-scheme: dark)')
    const tell = () => window.dispatchEvent(new Event('themechange'))
    media.addEventListener('change', tell)
    return () => media.removeEventListener('change', tell)
  }, [theme])
  return html`<label class="theme">Colours <select value=${theme} onChange=${(event) => setTheme(event.target.value)}>
    ${THEMES.map((name) => html`<option value=${name}>${name}</option>`)}
  </select></label>`
}
