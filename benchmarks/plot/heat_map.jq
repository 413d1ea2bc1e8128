# Results of pefa eval for XL -> two blocks of tics (rank, text), of lambda and of k; then a block a gate: the cell's column,
# row, Recall@K, and whether it is the gate's best.
include "common";

["mean", "sum", "softmax"] as $gates
| results | map(select(.method == "xl"))
| if length == 0 then error("expected results of --method xl") else . end
| (map(weight) | unique) as $lambdas
| (map(number("neighbors")) | unique) as $neighbors
| block("lambda"; $lambdas | to_entries[] | [.key, .value]),
  block("k"; $neighbors | to_entries[] | [.key, .value]),
  (group_by([(.gate as $gate | $gates | index($gate)), .gate])[]
   | series_by([weight, .neighbors])
   | (map(recall_at($at)[0]) | max) as $best
   | block("\(.[0].gate) gate";
       .[] | weight as $lambda | .neighbors as $k | recall_at($at)[0] as $recall
       | [($lambdas | index($lambda)), ($neighbors | index($k)), $recall, (if $recall == $best then 1 else 0 end)]))
