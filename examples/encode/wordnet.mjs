// Reads WordNet's data files (format: the manual page wndb(5WN)) and turns them into a retrieval task:
// a passage is a synset's definition, a query is a lemma or an example sentence, and the pair is relevant
// where the lemma or the example belongs to the synset.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const PARTS_OF_SPEECH = ["noun", "verb", "adj", "adv"];

/** Splits a gloss into its definition and its quoted example sentences. */
export function splitGloss(gloss) {
  const examples = [...gloss.matchAll(/"([^"]+)"/g)].map((match) => tidy(match[1])).filter(Boolean);
  const firstQuote = gloss.search(/(^|;)\s*"/);
  const definition = tidy(firstQuote > 0 ? gloss.slice(0, firstQuote) : gloss.replaceAll('"', ""));
  return { definition, examples };
}

function tidy(text) {
  return text.replace(/\s+/g, " ").replace(/^[\s;]+|[\s;]+$/g, "");
}

/** A lemma as a person would type it: "attorney_general" and "galore(ip)" lose their markup. */
export function lemmaText(word) {
  return word.replace(/\((?:a|p|ip)\)$/, "").replaceAll("_", " ");
}

/** @returns {{pos: string, offset: string, lexFile: number, lemmas: string[], definition: string, examples: string[]}[]} */
export function readSynsets(directory) {
  const synsets = [];
  for (const pos of PARTS_OF_SPEECH) {
    for (const line of readFileSync(join(directory, `data.${pos}`), "latin1").split("\n")) {
      if (line === "" || line.startsWith("  ")) continue; // the licence at the head of each file
      const bar = line.indexOf("| ");
      if (bar < 0) throw new Error(`data.${pos}: expected "| gloss" in the line "${line.slice(0, 40)}…"`);
      const fields = line.slice(0, bar).split(" ");
      const wordCount = parseInt(fields[3], 16);
      const lemmas = [];
      for (let w = 0; w < wordCount; ++w) lemmas.push(lemmaText(fields[4 + 2 * w]));
      synsets.push({ pos, offset: fields[0], lexFile: Number(fields[1]), lemmas, ...splitGloss(line.slice(bar + 2)) });
    }
  }
  return synsets;
}

/** The distinct queries of the synsets (case-folded texts are one query), each with the passages it belongs to. */
export function collectQueries(synsets) {
  const byText = new Map();
  synsets.forEach((synset, passage) => {
    for (const [kind, texts] of [["lemma", synset.lemmas], ["example", synset.examples]]) {
      texts.forEach((text, index) => {
        const key = text.toLowerCase();
        const known = byText.get(key);
        if (known) known.passages.add(passage);
        else byText.set(key, { text, id: `${synset.pos}\t${synset.offset}\t${kind}\t${index}`, passages: new Set([passage]) });
      });
    }
  });
  return [...byText.values()];
}

/**
 * Splits queries into train and test. A test query leaves at least one training query on each of its passages.
 * The order is a seeded shuffle, so the same input gives the same split on every machine.
 */
export function splitQueries(queries, passageCount, testCount, seed) {
  const trainQueriesOf = new Int32Array(passageCount);
  for (const query of queries) for (const passage of query.passages) ++trainQueriesOf[passage];
  const order = shuffled(queries.length, seed);
  const isTest = new Uint8Array(queries.length);
  let taken = 0;
  for (const q of order) {
    if (taken === testCount) break;
    const passages = [...queries[q].passages];
    if (passages.some((passage) => trainQueriesOf[passage] < 2)) continue;
    for (const passage of passages) --trainQueriesOf[passage];
    isTest[q] = 1;
    ++taken;
  }
  if (taken < testCount) throw new Error(`only ${taken} queries can be held out, ${testCount} were asked for`);
  return { train: queries.filter((_, q) => !isTest[q]), test: queries.filter((_, q) => isTest[q]) };
}

/** A Fisher–Yates shuffle of 0 … n-1 driven by the SplitMix32 sequence of `seed`. */
function shuffled(n, seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
  };
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; --i) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
