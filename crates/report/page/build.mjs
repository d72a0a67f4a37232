// Bundles the page's script and style: node build.mjs FOLDER. The result is the same on every machine; a test proves it.
import { build } from 'esbuild'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const folder = process.argv[2] ?? 'dist'
const here = new URL('.', import.meta.url)
const read = (path) => readFileSync(new URL(path, here), 'utf8')

// What is bundled, with its licence; a report is a copy of these, so that the notices are in it.
const libraries = ['preact', 'htm', 'uplot', 'd3-hierarchy'].map((name) => {
  const about = JSON.parse(read(`node_modules/${name}/package.json`))
  const text = read(`node_modules/${name}/LICENSE`).trim()
  // The Apache licence is long and asks for its name; the short ones ask for their text.
  const licence = about.license === 'Apache-2.0' ? 'Apache License 2.0, apache.org/licenses/LICENSE-2.0' : text
  return { head: `${name} ${about.version}, ${about.license}`, licence, text }
})
const notices = libraries.map(({ head, licence }) => `${head}\n${licence}`).join('\n\n').replaceAll('*/', '* /')

const shared = {
  absWorkingDir: new URL('.', import.meta.url).pathname,
  bundle: true,
  minify: true,
  charset: 'ascii',
  legalComments: 'none',
  target: ['es2020'],
  logLevel: 'warning',
  write: false,
}
const script = await build({
  ...shared,
  entryPoints: ['src/main.js'],
  format: 'iife',
  banner: { js: `/*\nBundled in this file:\n\n${notices}\n*/` },
})
const style = await build({ ...shared, entryPoints: ['src/style.css'] })

mkdirSync(folder, { recursive: true })
const text = script.outputFiles[0].text
// The text of a template stays as it is written, and so do names in the notices.
const other = text.match(/.{0,30}[^\x00-\x7f].{0,30}/u)
if (other) throw new Error(`write \\u... in the place of what is not ASCII: ${other[0]}`)
if (/<\/script|<!--/i.test(text)) throw new Error('the script would end its element')
writeFileSync(`${folder}/report.js`, text)
writeFileSync(`${folder}/report.css`, style.outputFiles[0].text)
writeFileSync(`${folder}/LICENSES.txt`, libraries.map(({ head, text }) => `${head}\n\n${text}\n`).join('\n----\n\n'))
