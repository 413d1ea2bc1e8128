# Reading what the pefa command wrote; every problem is said with the file's name.

def bad($file; $what): error("\($file): \($what)");

# The settings of a tune.json as results of pefa eval: Recall@K for the K that was tuned. Of XS the erm policy, of XL
# what has neither a fold nor condensed queries; of both what is as in the paper, neither solved nor whitened.
def tuned($file):
  (.metric | tostring | if startswith("recall@") then ltrimstr("recall@") else bad($file; "tuned \(.), which is no recall") end)
    as $k
  | .grid[] | select(.method != "xs" or .cold == "erm") | select((.fold // 1) == 1 and (.condense // 0) == 0)
  | select((.whitened // "none") == "none" and (.hubness // 0) == 0)
  | select(.method == "xl" or (.rule // "correlation") == "correlation")
  | (if .temperature == null then .gate else "\(.gate)(\(.temperature))" end) as $gate
  | {method, lambda, neighbors, gate: $gate, recall: {($k): .score}, file: $file};

# All results of all files, an array, a single one or a tune.json a file, each with its file's name.
def results:
  [inputs | input_filename as $file | if type == "array" then .[] else . end
    | if type != "object" then bad($file; "expected a JSON object or an array of them")
      elif (.grid | type) == "array" then tuned($file)
      else . + {file: $file} end];

# A number that must be there.
def number($key): if (.[$key] | type) == "number" then .[$key] else bad(.file; "\($key) is missing or no number") end;

# lambda as the user wrote it: 0.1, not the nearest float 0.10000000149.
def weight: number("lambda") * 1e6 | round / 1e6;

# Recall@k in percent, with its interval: [mean, low, high].
def recall_at($k):
  if (.recall[$k]? | type) != "number" then bad(.file; "holds no Recall@\($k); run pefa eval with --recall-at \($k)")
  else [.recall[$k]] + (.recall_interval[$k] // [.recall[$k], .recall[$k]]) | map(100 * .) end;

# Passes a series on in order of `point`, unless two results measure the same setting.
def series_by(point):
  group_by(point) | map(if length > 1 then bad(.[1].file; "measures the same setting as \(.[0].file)") else .[0] end);

# Blocks as gnuplot's `index` counts them: the name first, rows under it, two empty lines behind.
def block($name; rows): ([$name] + [rows | map(tostring) | join("\t")] | join("\n")) + "\n\n";
