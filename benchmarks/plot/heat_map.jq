# Results of pefa eval for XL -> a block a gate: column (rank of lambda), row (rank of k), Recall@K, lambda, k.
include "common";

results | map(select(.method == "xl"))
| if length == 0 then error("expected results of --method xl") else . end
| (map(number("lambda") | as_written) | unique) as $lambdas
| (map(number("neighbors")) | unique) as $neighbors
| ["mean", "sum", "softmax"] as $gates
| group_by(.gate) | sort_by(.[0].gate as $gate | $gates | index($gate))[]
| block("\(.[0].gate) gate";
    .[] | (.lambda | as_written) as $lambda | .neighbors as $k
    | [($lambdas | index($lambda)), ($neighbors | index($k)), recall_at($at)[0], $lambda, $k])
