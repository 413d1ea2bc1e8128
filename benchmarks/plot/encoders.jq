# The JSON of bench_encoders -> a block a method: number of the set, Recall@K, low, high, its name.
include "common";

[inputs | input_filename as $file | if type == "array" then .[] else error("\($file): expected what bench_encoders wrote") end]
| . as $sets
| if ($sets | length) == 0 then error("no set of data") else . end
| ["ERM", "XS, paper", "XL, paper", "A': XS, least squares .1", "default", "F: D over least squares"] as $methods
| ($at | split(",")[0]) as $k
| $methods[] as $method
| block({"XS, paper": "PEFA-XS, the paper's", "XL, paper": "PEFA-XL, the paper's", "A': XS, least squares .1":
    "XS by least squares", "default": "XL, the default", "F: D over least squares": "XL with the local gate"}[$method] // $method;
  range(0; $sets | length) as $n | $sets[$n] | .data as $data | .methods[] | select(.method == $method)
  | .["recall@" + $k] | [$n] + ([.mean, .low, .high] | map(100 * .)) + [$data])
