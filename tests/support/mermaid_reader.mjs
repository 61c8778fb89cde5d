// Lets Mermaid read diagrams: `node mermaid_reader.mjs FOLDER FILE...`, whose FOLDER is a node_modules with
// mermaid and jsdom. Prints a line of JSON for each file: the nodes and edges that it found, or why it refused.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [folder, ...files] = process.argv.slice(2)
const load = async (name) => import(pathToFileURL(createRequire(`${folder}/`).resolve(name)).href)
const { JSDOM } = await load('jsdom')
const { window } = new JSDOM('<body></body>')
Object.assign(globalThis, { window, document: window.document })
const mermaid = (await load('mermaid')).default
mermaid.initialize({ startOnLoad: false, maxEdges: 100000, maxTextSize: 10000000 })
for (const file of files) {
  try {
    const { db } = await mermaid.mermaidAPI.getDiagramFromText(readFileSync(file, 'utf8'))
    const nodes = [...db.getVertices().values()].map((one) => [one.id, one.text])
    console.log(JSON.stringify({ nodes, edges: db.getEdges().map((one) => [one.start, one.end]) }))
  } catch (error) {
    console.log(JSON.stringify({ refused: String(error.message ?? error) }))
  }
}
process.exit(0)
