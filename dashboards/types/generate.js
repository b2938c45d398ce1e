// Writes forms.gen.ts: everything that Hải Đăng renders for Grafana, in every form,
// as values that must satisfy Grafana's types. Imported as JSON, their texts would
// be of type string and satisfy nothing. TestForms writes the files.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const lines = [
  "import type { Board } from './model.js';",
  "import type { RuleFile } from './alerting.js';",
  "import type { Playlist } from '@grafana/grafana-foundation-sdk/playlistv1';",
  '',
];
let n = 0;
for (const [folder, type, least] of [['boards', 'Board', 98], ['rules', 'RuleFile', 4], ['playlists', 'Playlist', 1]]) {
  const at = new URL(`forms/${folder}/`, import.meta.url);
  const files = readdirSync(at).sort();
  if (files.length < least) throw new Error(`only ${files.length} ${folder} in ${at.pathname}, not ${least}: run \`make boards-test\``);
  for (const file of files) {
    const text = readFileSync(new URL(file, at), 'utf8');
    lines.push(`export const form${n++} = /* ${folder}/${file} */ ${text.trim()} satisfies ${type};`, '');
  }
}
writeFileSync(new URL('forms.gen.ts', import.meta.url), lines.join('\n'));
console.log(`${n} boards, rule files and playlists`);
