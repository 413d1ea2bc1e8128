// What stands beside the vectors that an engine loads. The blocks of code under "Load" and "Update" are whole programs:
// tests/engines.sh runs them as they stand.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine_folder.hpp"
#include "pefa/io/tags/tag_json.hpp"

namespace pefa::cli {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

/// The text with every @NAME@ replaced.
std::string filled(std::string_view text, const Values& values) {
  std::string result(text);
  for (const auto& [name, value] : values) {
    const std::string mark = "@" + name + "@";
    for (std::size_t at = 0; (at = result.find(mark, at)) != std::string::npos; at += value.size()) {
      result.replace(at, mark.size(), value);
    }
  }
  return result;
}

constexpr std::string_view head = R"(# PEFA-XS vectors for @ENGINE@

@COUNT@ vectors of dim @DIM@, written by `pefa export-xs --to @ENGINE@`. Load them as they are, without normalising
them, and search by inner product: higher is better. @QUERY@

)";

constexpr std::string_view pg_load = R"(-- Whole or not at all: psql -v ON_ERROR_STOP=1 --single-transaction -f load.sql
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE passage (id @PG_ID@ PRIMARY KEY, embedding vector(@DIM@) NOT NULL@PG_TAGS_COLUMN@);
@PG_STORAGE@\copy passage (id, embedding@PG_TAGS@) FROM 'rows.copy' WITH (FORMAT binary)
@PG_INDEX@@PG_TAGS_INDEX@ANALYZE passage;
)";
constexpr std::string_view pg_update =
    R"(-- Whole or not at all: psql -v ON_ERROR_STOP=1 --single-transaction -f update.sql
CREATE TEMPORARY TABLE changed (id @PG_ID@, embedding vector(@DIM@)@PG_TAGS_COLUMN@) ON COMMIT DROP;
CREATE TEMPORARY TABLE gone (id @PG_ID@) ON COMMIT DROP;
\copy changed (id, embedding@PG_TAGS@) FROM 'rows.copy' WITH (FORMAT binary)
\copy gone (id) FROM 'deletes.copy' WITH (FORMAT binary)
DELETE FROM passage USING gone WHERE passage.id = gone.id;
INSERT INTO passage (id, embedding@PG_TAGS@) SELECT id, embedding@PG_TAGS@ FROM changed
  ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding@PG_TAGS_SET@;
)";
constexpr std::string_view pg_readme = R"(## @LOAD@

In this folder, with the connection in psql's own variables (PGHOST, PGDATABASE, ...):

```sh
psql -v ON_ERROR_STOP=1 --single-transaction -f @SQL@
```

## Ask

```sql
SELECT id, -(@PG_ASKED@ <#> $1) AS score FROM passage ORDER BY @PG_ASKED@ <#> $1 LIMIT 10;
```

`<#>` is the negative inner product. Do not add `, id` to the ORDER BY: PostgreSQL before 17 then leaves the index.

## Recall

@PG_RECALL@
)";
constexpr std::string_view pg_recall =
    R"(`SET hnsw.ef_search = 200` (40 if unset, 1000 at most) sets recall against time; no more rows than that are found unless
`SET hnsw.iterative_scan = strict_order`. `DROP INDEX passage_embedding` makes every answer exact.)";
constexpr std::string_view pg_filter = R"(
## Filter

```sql
SET hnsw.iterative_scan = strict_order;
SELECT id, -(@PG_ASKED@ <#> $1) AS score FROM passage
WHERE tags @> '{"lang": "en"}' AND (tags->>'price')::bigint <= 20 ORDER BY @PG_ASKED@ <#> $1 LIMIT 10;
```

The index passage_tags serves `@>`, where few rows match.
)";

constexpr std::string_view qdrant_readme = R"(## @LOAD@

Into a server:

```python server
@PY_SERVER@```

In process, by Qdrant Edge (`pip install qdrant-edge-py`):

```python
@PY_EDGE@```

## Ask

`POST /collections/passage/points/query` with `{"query": [...], "limit": 10, "with_payload": true, "params": {"hnsw_ef": 200}}`,
or in process:

```python ask
from qdrant_edge import EdgeShard, Query, SearchParams, SearchRequest

shard = EdgeShard.load("passage.qdrant")
request = SearchRequest(query=Query.Nearest(query), limit=10, with_payload=True, params=SearchParams(hnsw_ef=200))
hits = [(@QDRANT_HIT@, hit.score) for hit in shard.search(request)]
```

@QDRANT_IDS@

## Recall

`hnsw_ef` sets recall against time, `"exact": true` looks at every vector.
)";
constexpr std::string_view qdrant_filter = R"(
## Filter

Tags lie in the payload: `"filter": {"must": [{"key": "tags.lang", "match": {"value": "en"}}, {"key": "tags.price", "range": {"lte": 20}}]}`.
A server wants an index a key first: `PUT /collections/passage/index` with `{"field_name": "tags.lang", "field_schema": "keyword"}`,
`"integer"` for numbers. In process:

```python filter
from qdrant_edge import (
    EdgeShard, FieldCondition, Filter, MatchValue, Query, RangeFloat, SearchParams, SearchRequest)

shard = EdgeShard.load("passage.qdrant")
condition = Filter(must=[FieldCondition(key="tags.lang", match=MatchValue(value="en")),
                         FieldCondition(key="tags.price", range=RangeFloat(lte=20))])
request = SearchRequest(query=Query.Nearest(query), limit=10, with_payload=True, filter=condition,
                        params=SearchParams(hnsw_ef=200))
hits = [(@QDRANT_HIT@, hit.score) for hit in shard.search(request)]
```
)";
constexpr std::string_view qdrant_server_load = R"(import itertools, json, os, urllib.request

server = os.environ.get("QDRANT_URL", "http://localhost:6333")

def send(method, path, body):
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(server + path, json.dumps(body).encode(), headers, method=method)
    urllib.request.urlopen(request).read()

send("PUT", "/collections/passage", {"vectors": {"size": @DIM@, "distance": "Dot"},
                                     "hnsw_config": {"m": 32, "ef_construct": 200}})
with open("points.jsonl") as lines:
    while batch := [json.loads(line) for line in itertools.islice(lines, 256)]:
        send("PUT", "/collections/passage/points?wait=true", {"points": batch})
)";
constexpr std::string_view qdrant_server_update = R"(import itertools, json, os, urllib.request

server = os.environ.get("QDRANT_URL", "http://localhost:6333")

def send(method, path, body):
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(server + path, json.dumps(body).encode(), headers, method=method)
    urllib.request.urlopen(request).read()

with open("points.jsonl") as lines:
    while batch := [json.loads(line) for line in itertools.islice(lines, 256)]:
        send("PUT", "/collections/passage/points?wait=true", {"points": batch})
send("POST", "/collections/passage/points/delete?wait=true", json.load(open("deletes.json")))
)";
constexpr std::string_view qdrant_edge_load = R"(import itertools, json
from qdrant_edge import Distance, EdgeConfig, EdgeShard, EdgeVectorParams, HnswIndexConfig, Point, UpdateOperation

hnsw = HnswIndexConfig(m=32, ef_construct=200, full_scan_threshold=1000)
shard = EdgeShard.create("passage.qdrant", EdgeConfig(
    vectors=EdgeVectorParams(size=@DIM@, distance=Distance.Dot), hnsw_config=hnsw))
with open("points.jsonl") as lines:
    while batch := [json.loads(line) for line in itertools.islice(lines, 1024)]:
        shard.update(UpdateOperation.upsert_points([Point(p["id"], p["vector"], p.get("payload")) for p in batch]))
shard.optimize()  # builds the graph
shard.close()
)";
constexpr std::string_view qdrant_edge_update = R"(import itertools, json
from qdrant_edge import EdgeShard, Point, UpdateOperation

shard = EdgeShard.load("passage.qdrant")
with open("points.jsonl") as lines:
    while batch := [json.loads(line) for line in itertools.islice(lines, 1024)]:
        shard.update(UpdateOperation.upsert_points([Point(p["id"], p["vector"], p.get("payload")) for p in batch]))
shard.update(UpdateOperation.delete_points(json.load(open("deletes.json"))["points"]))
shard.optimize()
shard.close()
)";

constexpr std::string_view lancedb_load = R"(import @PY_JSON@lancedb, numpy, pyarrow

vectors = numpy.load("vectors.npy")
ids = open("ids.txt", encoding="utf-8", newline="\n").read().split("\n")[:-1]
table = pyarrow.table({
    "id": pyarrow.array(ids).cast(pyarrow.@ARROW_ID@()),
    "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), @DIM@)@ARROW_TAGS@})
passage = lancedb.connect("passage.lance").create_table("passage", table)
)";
constexpr std::string_view lancedb_update = R"(import @PY_JSON@lancedb, numpy, pyarrow

passage = lancedb.connect("passage.lance").open_table("passage")
vectors = numpy.load("vectors.npy")
ids = open("ids.txt", encoding="utf-8", newline="\n").read().split("\n")[:-1]
if ids:
    changed = pyarrow.table({
        "id": pyarrow.array(ids).cast(pyarrow.@ARROW_ID@()),
        "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), @DIM@)@ARROW_TAGS@})
    passage.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(changed)
for id in open("deletes.txt", encoding="utf-8", newline="\n").read().split("\n")[:-1]:
    passage.delete(f"id = @ARROW_LITERAL@")
)";
constexpr std::string_view lancedb_readme =
    R"(The vectors are a NumPy file and the ids a line of text each, which LanceDB takes as one Arrow table.

## @LOAD@

```python
@PY@```

## Ask

```python ask
import lancedb

passage = lancedb.connect("passage.lance").open_table("passage")
found = passage.search(query).distance_type("dot").limit(10).select(["id", "_distance"]).to_list()
hits = [(row["id"], 1 - row["_distance"]) for row in found]
```

LanceDB's distance of `dot` is 1 − ⟨query, vector⟩.

## Recall

Without an index every vector is looked at, which is exact. With one, `nprobes` and `refine_factor` set recall against time:

```python index
import lancedb

passage = lancedb.connect("passage.lance").open_table("passage")
passage.create_index(metric="dot", index_type="IVF_HNSW_SQ", m=32, ef_construction=200, num_partitions=1)
passage.search(query).distance_type("dot").nprobes(1).ef(200).refine_factor(4).limit(10)
```
)";
constexpr std::string_view lancedb_filter = R"(
## Filter

```python filter
import lancedb

passage = lancedb.connect("passage.lance").open_table("passage")
found = passage.search(query).distance_type("dot").where("tags.lang = 'en' AND tags.price <= 20", prefilter=True)
hits = [(row["id"], 1 - row["_distance"]) for row in found.limit(10).select(["id", "_distance"]).to_list()]
```

A key with several values a passage is a list: `array_has(tags.colour, 'red')`.
)";

constexpr std::string_view milvus_load = R"(import json
from pymilvus import DataType, MilvusClient

client = MilvusClient("passage.db")  # Milvus Lite; a server: "http://localhost:19530"
schema = client.create_schema(auto_id=False)
schema.add_field("id", @MILVUS_ID@, is_primary=True)
schema.add_field("vector", DataType.FLOAT_VECTOR, dim=@DIM@)
@MILVUS_TAGS@index = client.prepare_index_params()
index.add_index("vector", index_type="HNSW", metric_type="IP", params={"M": 32, "efConstruction": 200})
client.create_collection("passage", schema=schema, index_params=index)
rows = json.load(open("rows.json"))["rows"]
for at in range(0, len(rows), 1000):
    client.insert("passage", rows[at:at + 1000])
client.flush("passage")
client.close()
)";
constexpr std::string_view milvus_update = R"(import json
from pymilvus import MilvusClient

client = MilvusClient("passage.db")
rows = json.load(open("rows.json"))["rows"]
for at in range(0, len(rows), 1000):
    client.upsert("passage", rows[at:at + 1000])
gone = [@MILVUS_GONE@ for line in open("deletes.txt", encoding="utf-8", newline="\n").read().split("\n")[:-1]]
if gone:
    client.delete("passage", ids=gone)
client.flush("passage")
client.close()
)";
constexpr std::string_view milvus_readme = R"(`rows.json` is also what Milvus's bulk import reads.

## @LOAD@

```python
@PY@```

## Ask

```python ask
from pymilvus import MilvusClient

client = MilvusClient("passage.db")
client.load_collection("passage")
found = client.search("passage", data=[query], limit=10, search_params={"metric_type": "IP", "params": {"ef": 200}})
hits = [(hit["id"], hit["distance"]) for hit in found[0]]
client.close()
```

## Recall

`ef` sets recall against time. An index of type FLAT in the place of HNSW is exact.
)";
constexpr std::string_view milvus_filter = R"(
## Filter

```python filter
from pymilvus import MilvusClient

client = MilvusClient("passage.db")
client.load_collection("passage")
found = client.search("passage", data=[query], limit=10, filter='tags["lang"] == "en" and tags["price"] <= 20',
                      search_params={"metric_type": "IP", "params": {"ef": 200}})
hits = [(hit["id"], hit["distance"]) for hit in found[0]]
client.close()
```

A key with several values a passage is a list: `json_contains(tags["colour"], "red")`.
)";

constexpr std::string_view opensearch_index = R"({
  "settings": {"index": {"knn": true}},
  "mappings": {"dynamic": false, "date_detection": false, "properties": {"vector": {
    "type": "knn_vector", "dimension": @DIM@,
    "method": {"name": "hnsw", "engine": "faiss", "space_type": "innerproduct",
               "parameters": {"m": 32, "ef_construction": 200}}}@OS_TAGS@}}
}
)";
constexpr std::string_view opensearch_readme =
    R"(These files agree with OpenSearch's API specification, as its client has it; no server was run on them.

## @LOAD@

```sh
url=${OPENSEARCH_URL:-http://localhost:9200}
@OS_CREATE@split --lines=2000 --filter='curl --fail --silent --show-error -X POST "'"$url"'/passage/_bulk" \
  -H "content-type: application/x-ndjson" --data-binary @-' bulk.ndjson >bulk.log
! grep -q '"errors":true' bulk.log
```

## Ask

`POST /passage/_search` with

```json
{"size": 10, "_source": false,
 "query": {"knn": {"vector": {"vector": [], "k": 10, "method_parameters": {"ef_search": 200}}}}}
```

OpenSearch's score of an inner product s is s + 1 where s is 0 or more, else 1 / (1 − s): the same order.

## Recall

`ef_search` sets recall against time.
)";
constexpr std::string_view opensearch_filter = R"(
## Filter

Beside `k`: `"filter": {"bool": {"filter": [{"term": {"tags.lang.keyword": "en"}}, {"range": {"tags.price": {"lte": 20}}}]}}`.
)";

constexpr std::string_view vespa_schema = R"(schema passage {
    document passage {
        field id type string {
            indexing: summary | attribute
        }
@VESPA_TAGS@        field vector type tensor<float>(x[@DIM@]) {
            indexing: attribute | index
            attribute {
                distance-metric: dotproduct
            }
            index {
                hnsw {
                    max-links-per-node: 32
                    neighbors-to-explore-at-insert: 200
                }
            }
        }
    }
    rank-profile pefa {
        inputs {
            query(q) tensor<float>(x[@DIM@])
        }
        first-phase {
            expression: sum(query(q) * attribute(vector))
        }
    }
}
)";
constexpr std::string_view vespa_readme =
    R"(Vespa's own schema compiler, feed reader and query parser take these files; no server was run on them.

## @LOAD@

`passage.sd` goes into `schemas/` of the application package, under a content cluster with `<document type="passage" mode="index"/>`.

```sh
vespa feed feed.jsonl
```

## Ask

```sh ask
vespa query 'yql=select id from passage where {targetHits: 10, hnsw.exploreAdditionalHits: 190}nearestNeighbor(vector, q)' \
  ranking=pefa 'input.query(q)=[...]'
```

## Recall

`hnsw.exploreAdditionalHits` sets recall against time; `approximate: false` looks at every vector.
)";
constexpr std::string_view vespa_filter = R"(
## Filter

Tags are words, numbers too: `where {targetHits: 10}nearestNeighbor(vector, q) and tags contains "lang=en"`.
)";

std::string query_text(const RowMajorMatrix* map) {
  if (map == nullptr) return "Queries are your encoder's, as they are.";
  return "Multiply each query of your encoder\nwith `query_map.npy` (the same in `query_map.json`, a row a line) "
         "before you send it:\n"
         "`query = numpy.load(\"query_map.npy\") @ query`.";
}

/// The column of tags as Arrow has it: a struct whose types are the table's.
std::string arrow_tags(const TagTable* tags) {
  if (tags == nullptr) return "";
  const std::vector<bool> several = io::keys_with_several(*tags);
  std::string fields;
  for (std::size_t k = 0; k < several.size(); ++k) {
    const TagKey& key = tags->keys()[k];
    const std::string type = key.kind == TagKind::integer ? "pyarrow.int64()" : "pyarrow.string()";
    fields += fields.empty() ? "(" : ", (";
    io::detail::append_json_string(fields, key.name, "tags: ");
    fields += ", " + (several[k] ? "pyarrow.list_(" + type + ')' : type) + ')';
  }
  return ",\n    \"tags\": pyarrow.array([json.loads(line) for line in open(\"tags.jsonl\")], pyarrow.struct([" +
         fields + "]))";
}

/// What the texts say of this data.
Values values_of(const EngineFolder& what) {
  const std::size_t dim = what.rows.vectors.dim();
  const bool has_table = what.rows.ids.has_table();
  const bool is_change = what.load == Load::changes;
  const bool has_tags = what.tags != nullptr;
  // pgvector has graphs of up to 2,000 floats and 4,000 halves.
  const bool has_graph = dim <= 4000;
  const std::string halves = "embedding::halfvec(" + std::to_string(dim) + ")";
  const std::string asked = dim > 2000 && has_graph ? halves : "embedding";
  const std::string operand = dim > 2000 ? "((" + halves + ") halfvec_ip_ops)" : "(embedding vector_ip_ops)";
  const std::string index = has_graph ? "CREATE INDEX passage_embedding ON passage USING hnsw " + operand +
                                            "\n  WITH (m = 32, ef_construction = 200);\n"
                                      : "";
  const std::string milvus_id =
      has_table ? "DataType.VARCHAR, max_length=65535" : "DataType.INT64";  // updates may bring longer ids
  return {
      {"PY_SERVER", std::string(is_change ? qdrant_server_update : qdrant_server_load)},
      {"PY_EDGE", std::string(is_change ? qdrant_edge_update : qdrant_edge_load)},
      {"PY", std::string(what.engine == io::Engine::lancedb ? (is_change ? lancedb_update : lancedb_load)
                                                            : (is_change ? milvus_update : milvus_load))},
      {"ENGINE", pefa::name(what.engine)},
      {"COUNT", std::to_string(what.rows.rows.size()) + (is_change ? " changed" : "")},
      {"QUERY", query_text(what.query_map)},
      {"LOAD", is_change ? "Update" : "Load"},
      {"SQL", is_change ? "update.sql" : "load.sql"},
      {"PG_ID", has_table ? "text" : "bigint"},
      // A row of up to 8 kB stays in its page, where a search finds it without a second look-up.
      {"PG_STORAGE", dim <= 1900 ? "ALTER TABLE passage ALTER COLUMN embedding SET STORAGE PLAIN;\n" : ""},
      {"PG_INDEX", index},
      {"PG_ASKED", asked},
      {"PG_RECALL",
       has_graph ? std::string(pg_recall) : "pgvector has no graph of so many dimensions: answers are exact."},
      {"QDRANT_HIT", has_table ? "hit.payload[\"id\"]" : "hit.id"},
      {"QDRANT_IDS", has_table ? "Points have UUIDs: that of an id is `uuid.uuid5(uuid.NAMESPACE_OID, id)`."
                               : "The id of a point is the number of the passage's row."},
      {"ARROW_ID", has_table ? "string" : "int64"},
      {"ARROW_LITERAL", has_table ? "'{id.replace(chr(39), 2 * chr(39))}'" : "{id}"},
      {"PG_TAGS_COLUMN", has_tags ? ", tags jsonb NOT NULL" : ""},
      {"PG_TAGS_INDEX", has_tags ? "CREATE INDEX passage_tags ON passage USING gin (tags);\n" : ""},
      {"PG_TAGS_SET", has_tags ? ", tags = excluded.tags" : ""},
      {"PG_TAGS", has_tags ? ", tags" : ""},
      {"PY_JSON", has_tags ? "json, " : ""},
      {"MILVUS_TAGS", has_tags ? "schema.add_field(\"tags\", DataType.JSON)\n" : ""},
      {"OS_TAGS", has_tags ? ",\n    \"tags\": {\"type\": \"object\", \"dynamic\": true}" : ""},
      {"VESPA_TAGS", has_tags ? "        field tags type array<string> {\n            indexing: summary | attribute\n"
                                "        }\n"
                              : ""},
      {"MILVUS_ID", milvus_id},
      {"MILVUS_GONE", has_table ? "line" : "int(line)"},
      {"OS_CREATE", is_change ? ""
                              : "curl --fail --silent --show-error -X PUT \"$url/passage\" -H 'content-type: "
                                "application/json' -d @index.json\n"},
      {"DIM", std::to_string(dim)},
      {"ARROW_TAGS", arrow_tags(what.tags)}};  // last, as it has words of the data
}

}  // namespace

void write_engine_texts(const std::filesystem::path& folder, const EngineFolder& what) {
  const Values values = values_of(what);
  std::string_view readme;
  std::string_view filter;
  switch (what.engine) {
    case io::Engine::pgvector:
      readme = pg_readme;
      filter = pg_filter;
      write_text(folder / (what.load == Load::all ? "load.sql" : "update.sql"),
                 filled(what.load == Load::all ? pg_load : pg_update, values));
      break;
    case io::Engine::qdrant:
      readme = qdrant_readme;
      filter = qdrant_filter;
      break;
    case io::Engine::lancedb:
      readme = lancedb_readme;
      filter = lancedb_filter;
      break;
    case io::Engine::milvus:
      readme = milvus_readme;
      filter = milvus_filter;
      break;
    case io::Engine::opensearch:
      readme = opensearch_readme;
      filter = opensearch_filter;
      if (what.load == Load::all) write_text(folder / "index.json", filled(opensearch_index, values));
      break;
    case io::Engine::vespa:
      readme = vespa_readme;
      filter = vespa_filter;
      if (what.load == Load::all) write_text(folder / "passage.sd", filled(vespa_schema, values));
      break;
  }
  const std::string text = std::string(head) + std::string(readme) + std::string(what.tags != nullptr ? filter : "");
  write_text(folder / "README.md", filled(text, values));
}

}  // namespace pefa::cli
