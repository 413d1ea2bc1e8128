# Results of pefa eval -> a block a cut-off and method: lambda, Recall@K, low, high. The plain model comes first.
include "common";

def method_name: if .method == "xs" then "PEFA-XS" else "PEFA-XL \(.gate), k = \(.neighbors)" end;

results as $all
| ($all | map(select(.method == "erm"))) as $plain
| ($all | map(select(.method == "xs" or .method == "xl"))
   | group_by([(.method == "xl"), .gate, .neighbors])) as $methods
| if ($plain | length) != 1 then error("expected one result of --method erm, the plain model; there are \($plain | length)")
  elif ($methods | length) == 0 then error("expected results of --method xs or xl")
  else ($at | split(","))[] as $k
    | ($plain[0] | recall_at($k)) as $erm | block("ERM (no adapter)"; (0, 1) | [.] + $erm),
      ($methods[] | sort_by(number("lambda"))
        | block(.[0] | method_name; .[] | [number("lambda") | as_written] + recall_at($k)))
  end
