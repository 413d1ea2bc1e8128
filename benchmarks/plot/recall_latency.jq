# Results of pefa bench -> a block an index, its name beside the cut-off K and what its times are: ms, recall against exact
# search, p99 ms, ef. Times are medians where the files have them: a busy machine moves them less than means.
include "common";

["flat", "hnsw", "quantized"] as $order
| {flat: "FlatIndex (exact)", hnsw: "HnswIndex", quantized: "QuantizedHnswIndex"} as $names
| results
| if length == 0 then error("expected results of pefa bench") else . end
| map(.file as $file
    | if (.index | type) != "string" or (.curve | type) != "array" or (.curve | length) == 0
      then bad($file; "is not what pefa bench --json writes: expected an index and a curve") else . end)
| if map([.top_k, .method]) | unique | length > 1
  then error("the files differ in method or --top-k: draw them apart") else . end
| (if all(.[].curve[]; has("p50_ms")) then ["median", "p50_ms"] else ["mean", "ms"] end) as [$statistic, $ms]
| sort_by(.index as $index | $order | index($index) // length)[] | .file as $file
| block([$names[.index] // .index, .top_k // "", $statistic] | join("\t");
    .curve | map(. + {file: $file}) | sort_by(.ef // 0)[]
    | [number($ms), 100 * number("recall"), number("p99_ms"), .ef // "-"])
