#!/usr/bin/env node
// Makes a WordNet retrieval task for pefa: vectors by Universal Sentence Encoder Lite, pairs, and ids that point
// into WordNet's own files. Or makes vectors of the texts of any file. Run it with --help for the options.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { fork } from "node:child_process";
import { availableParallelism, homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { collectQueries, readSynsets, splitQueries } from "./wordnet.mjs";
import { quantizeRows, writeNpy } from "./npy.mjs";

const DIM = 512;
const SHARD = 1024;
const SEED = 20260101;
const HERE = dirname(fileURLToPath(import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pefa");

// Feeling and emotion, the body, thinking, eating and drinking, perceiving; numbers as in lexnames(5WN).
const SLICE_LEX_FILES = new Set([12, 29, 31, 34, 37, 39]);

const HELP = `usage: node encode.mjs slice|whole [--out DIR] [--wordnet DIR] [--cache DIR] [--jobs N] [--test-queries N]
       node encode.mjs texts TEXTS VECTORS.npy ... [--cache DIR] [--jobs N]

  slice   the synsets of a few lexicographer files, as int8 codes with scales (default --out examples/data)
  whole   all synsets, as float32 (default --out ${join(CACHE, "wordnet")})
  texts   files of one text a line, each to float32 vectors

  --wordnet DIR       where data.noun and its siblings are (default /usr/share/wordnet, Debian's wordnet-base)
  --cache DIR         where encoded shards are kept, so that a run that was stopped goes on (default ${join(CACHE, "shards")})
  --jobs N            encoder processes (default: one a core)
  --test-queries N    how many queries are held out (default: slice 1000, whole 2000)`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string" },
    wordnet: { type: "string", default: "/usr/share/wordnet" },
    cache: { type: "string", default: join(CACHE, "shards") },
    jobs: { type: "string", default: String(availableParallelism()) },
    "test-queries": { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const what = positionals[0];
const files = what === "texts" ? positionals.slice(1) : [];
const isCommand = what === "texts" ? files.length > 0 && files.length % 2 === 0 : ["slice", "whole"].includes(what);
if (options.help || !isCommand) {
  console.log(HELP);
  process.exit(options.help ? 0 : 2);
}
for (const count of ["jobs", "test-queries"]) {
  if (options[count] === undefined || (Number.isInteger(Number(options[count])) && Number(options[count]) > 0)) continue;
  console.error(`--${count} is '${options[count]}', expected a number of 1 or more`);
  process.exit(2);
}
for (let f = 0; f < files.length; f += 2) {
  const texts = readFileSync(files[f], "utf8").replace(/\r?\n$/, "").split(/\r?\n/);
  writeNpy(files[f + 1], "float32", [texts.length, DIM], await encodeAll(texts));
}
if (what === "texts") process.exit(0);

const isSlice = what === "slice";
const out = options.out ?? (isSlice ? join(HERE, "..", "data") : join(CACHE, "wordnet"));
const testCount = Number(options["test-queries"] ?? (isSlice ? 1000 : 2000));

const synsets = readSynsets(options.wordnet).filter((synset) => !isSlice || SLICE_LEX_FILES.has(synset.lexFile));
const queries = collectQueries(synsets);
const { train, test } = splitQueries(queries, synsets.length, testCount, SEED);
console.log(`${synsets.length} passages, ${train.length} training queries, ${test.length} test queries`);

const vectors = await encodeAll([...synsets.map((s) => s.definition), ...queries.map((q) => q.text)]);
const passageRows = vectors.slice(0, synsets.length);
const rowOf = new Map(queries.map((query, q) => [query, vectors[synsets.length + q]]));

mkdirSync(out, { recursive: true });
writeVectors("passages", passageRows);
writeFileSync(join(out, "passages.ids.tsv"), synsets.map((s) => `${s.pos}\t${s.offset}\tdefinition\t0\n`).join(""));
for (const [name, part] of [["train", train], ["test", test]]) {
  writeVectors(`${name}_queries`, part.map((query) => rowOf.get(query)));
  writeFileSync(join(out, `${name}_queries.ids.tsv`), part.map((query) => `${query.id}\n`).join(""));
  const pairs = part.flatMap((query, q) => [...query.passages].sort((a, b) => a - b).map((p) => `${q}\t${p}\n`));
  writeFileSync(join(out, `${name}_relevance.tsv`), pairs.join(""));
  console.log(`${name}: ${part.length} queries, ${pairs.length} pairs`);
}
console.log(`written to ${out}`);

function writeVectors(name, rows) {
  if (!isSlice) return writeNpy(join(out, `${name}.npy`), "float32", [rows.length, DIM], rows);
  const { codes, scales } = quantizeRows(rows);
  writeNpy(join(out, `${name}.npy`), "int8", [rows.length, DIM], codes);
  writeNpy(join(out, `${name}.scales.npy`), "float32", [rows.length], [scales]);
}

/**
 * Encodes the texts in shards over several processes; shards that the cache holds already are only read. Texts of a
 * length go together, since a batch takes as long as if all of its texts were as long as its longest; the longest go
 * first, so that no process is left with them.
 */
async function encodeAll(texts) {
  const order = texts.map((_, t) => t).sort((a, b) => texts[b].length - texts[a].length || a - b);
  const shards = [];
  for (let start = 0; start < texts.length; start += SHARD) {
    const part = order.slice(start, start + SHARD).map((t) => texts[t]);
    const key = createHash("sha256").update(part.join("\n")).digest("hex").slice(0, 24);
    shards.push({ texts: part, path: join(options.cache, `${key}.f32`) });
  }
  mkdirSync(options.cache, { recursive: true });
  const whole = ({ path, texts }) => existsSync(path) && statSync(path).size === texts.length * DIM * 4;
  await encodeShards(shards.filter((shard) => !whole(shard)), texts.length);

  const rows = new Array(texts.length);
  let done = 0;
  for (const { path, texts: part } of shards) {
    const bytes = readFileSync(path);
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    for (let r = 0; r < part.length; ++r) rows[order[done++]] = values.subarray(r * DIM, (r + 1) * DIM);
  }
  return rows;
}

function encodeShards(pending, total) {
  if (pending.length === 0) return Promise.resolve();
  const started = Date.now();
  const sizeOf = (shard) => shard.texts.reduce((sum, text) => sum + text.length, 0);
  const all = pending.reduce((sum, shard) => sum + sizeOf(shard), 0);
  let encoded = total - pending.reduce((sum, shard) => sum + shard.texts.length, 0);
  let done = 0;
  let next = 0;
  return new Promise((resolve, reject) => {
    const workers = Math.min(Number(options.jobs), pending.length);
    let running = workers;
    for (let w = 0; w < workers; ++w) {
      const child = fork(join(HERE, "worker.mjs"));
      child.on("message", ({ shard, ready }) => {
        if (!ready) {
          encoded += pending[shard].texts.length;
          done += sizeOf(pending[shard]);
          const left = (((Date.now() - started) / done) * (all - done)) / 60000;
          console.log(`encoded ${encoded} of ${total} texts, ${left.toFixed(1)} min left`);
        }
        if (next < pending.length) {
          child.send({ shard: next, ...pending[next] });
          ++next;
        } else {
          child.disconnect();
          if (--running === 0) resolve();
        }
      });
      child.on("exit", (code) => {
        if (code !== 0) reject(new Error(`an encoder process ended with code ${code}; run the same command again to go on`));
      });
    }
  });
}
