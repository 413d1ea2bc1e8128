# Results of pefa bench -> a block an index: mean milliseconds, recall, p99 milliseconds, ef. Widest beam last.
include "common";

def index_name: {flat: "FlatIndex (exact)", hnsw: "HnswIndex", quantized: "QuantizedHnswIndex"}[.] // .;

results
| if length == 0 then error("expected results of pefa bench") else . end
| .[] | .file as $file
| if (.index | type) != "string" or (.curve | type) != "array" or (.curve | length) == 0
  then bad($file; "is not what pefa bench --json writes: expected an index and a curve") else . end
| block(.index | index_name;
    .curve | map(. + {file: $file}) | sort_by(.ef // 0)[]
    | [number("ms"), 100 * number("recall"), number("p99_ms"), .ef // ""])
