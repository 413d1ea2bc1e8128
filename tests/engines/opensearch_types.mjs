// Holds what `pefa export-xs --to opensearch` wrote against OpenSearch's API specification, as its official client has it
// in types: the index, the lines of the bulk load, the query and the filter of the README. The compiler refuses a field
// that the specification does not have, or one of another type.
//
//   node opensearch_types.mjs ENVIRONMENT FOLDER...
//
// ENVIRONMENT is a folder into which npm installed @opensearch-project/opensearch and typescript.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const [environment, ...folders] = process.argv.slice(2);
const read = (folder, file) => readFileSync(join(folder, file), 'utf8');

/// The bulk lines as pairs of an action and, unless it deletes, a document.
function bulkLines(folder) {
  const lines = read(folder, 'bulk.ndjson').trimEnd().split('\n');
  const actions = [];
  const documents = [];
  for (let i = 0; i < lines.length; ++i) {
    actions.push(lines[i]);
    if (!('delete' in JSON.parse(lines[i]))) documents.push(lines[++i]);
  }
  return { actions, documents };
}

/// The README's query, with its filter where it has one.
function search(folder) {
  const readme = read(folder, 'README.md');
  const query = /```json\n(.*?)```/s.exec(readme)[1];
  const filter = /`"filter": (.*?)`\.$/m.exec(readme);
  return filter === null ? query : query.replace('"k": 10', `"k": 10, "filter": ${filter[1]}`);
}

const typed = (name, type, text) => `const ${name}: ${type} = ${text};\nvoid ${name};\n`;
const types = '../node_modules/@opensearch-project/opensearch/api';
let source = `import { Indices_Create_RequestBody } from '${types}/indices/create';
import { Search_RequestBody } from '${types}/_core/search';
import { OperationContainer } from '${types}/_types/_core.bulk';
type Value = string | number;
interface Passage { id?: Value; vector: number[]; tags?: Record<string, Value | Value[]> }
`;
folders.forEach((folder, i) => {
  const { actions, documents } = bulkLines(folder);
  const some = (lines) => `[${lines.slice(0, 200).join(',\n')}]`;
  if (existsSync(join(folder, 'index.json'))) {
    source += typed(`index${i}`, 'Indices_Create_RequestBody', read(folder, 'index.json'));
  }
  source += typed(`actions${i}`, 'OperationContainer[]', some(actions));
  source += typed(`documents${i}`, 'Passage[]', some(documents));
  source += typed(`search${i}`, 'Search_RequestBody', search(folder));
});

const work = mkdtempSync(join(resolve(environment), 'check-'));
try {
  writeFileSync(join(work, 'exports.ts'), source);
  execFileSync(join(environment, 'node_modules/.bin/tsc'),
               ['--noEmit', '--strict', '--skipLibCheck', '--types', '', join(work, 'exports.ts')],
               { stdio: ['ignore', 'inherit', 'inherit'] });
} finally {
  rmSync(work, { recursive: true });
}
