# Results of pefa eval -> a block a cut-off and method: lambda, Recall@K, low, high. The plain model comes first.
include "common";

def method_name: if .method == "xs" then "PEFA-XS" else "PEFA-XL \(.gate), k = \(.neighbors)" end;

results
| map(select(.method == "erm")) as $plain
| map(select(.method == "xs" or .method == "xl")) | group_by([.method == "xl", .gate, .neighbors])
| map(series_by(weight)) as $methods
| if ($plain | length) != 1 then error("expected one result of --method erm, the plain model, not \($plain | length)")
  elif ($methods | length) == 0 then error("expected results of --method xs or xl")
  else ($at | split(","))[] as $k
    | block("ERM (no adapter)"; $plain[0] | (0, 1) as $lambda | [$lambda] + recall_at($k)),
      ($methods[] | block(.[0] | method_name; .[] | [weight] + recall_at($k)))
  end
