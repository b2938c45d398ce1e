// Writes boards.gen.ts: every golden file as a value that must satisfy Grafana's
// types. Imported as JSON, its texts would be of type string and satisfy nothing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const lines = ["import type { Board } from './model.js';", ''];
let n = 0;
for (const folder of ['promql', 'influxql']) {
  const at = new URL(`../testdata/${folder}/`, import.meta.url);
  for (const file of readdirSync(at).sort()) {
    const text = readFileSync(new URL(file, at), 'utf8');
    lines.push(`export const board${n++} = /* ${folder}/${file} */ ${text.trim()} satisfies Board;`, '');
  }
}
if (n < 30) throw new Error(`only ${n} golden files found`);
writeFileSync(new URL('boards.gen.ts', import.meta.url), lines.join('\n'));
console.log(`${n} boards`);
