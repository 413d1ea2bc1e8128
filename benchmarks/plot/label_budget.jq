# The JSON of bench_encoders --details -> a block a set and method: percent of the training queries, Recall@10.
include "common";

def shares: [5, 10, 25, 50, 100];

[inputs | input_filename as $file | if type == "array" then .[] else error("\($file): expected what bench_encoders wrote") end]
| map(select(.budget)) as $sets
| if ($sets | length) == 0 then error("no label budget; run bench_encoders --details") else . end
| $sets[] | .data as $data | .budget as $budget
| (["ERM", "XS, paper", "XL, paper", "A': XS, least squares .1", "default"])[] as $method
| block("\($method)\t\($data)"; range(0; 5) | [shares[.], 100 * $budget[$method][.]])
