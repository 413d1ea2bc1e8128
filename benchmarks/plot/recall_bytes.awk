# A table method<TAB>bytes<TAB>recall[<TAB>label] -> a block a method: MiB, recall in percent, label; smallest first.
BEGIN { FS = "\t"; number = "^[0-9]*\\.?[0-9]+([eE][-+]?[0-9]+)?$" }

function stop(what) {
  printf "%s:%d: %s\n", FILENAME, FNR, what > "/dev/stderr"
  failed = 1
  exit 1
}

{ sub(/\r$/, "") }
/^[ \t]*$/ || /^#/ || (!methods && $1 == "method" && $2 == "bytes") { next }
NF < 3 || NF > 4 { stop("expected method<TAB>bytes<TAB>recall[<TAB>label], found " NF " fields") }
$2 !~ number || $2 <= 0 { stop("bytes is '" $2 "', expected a positive number") }
$3 !~ number || $3 > 1 { stop("recall is '" $3 "', expected a fraction from 0 to 1") }
{
  if (!($1 in count)) names[++methods] = $1
  i = ++count[$1]
  while (i > 1 && bytes[$1, i - 1] > $2 + 0) {
    bytes[$1, i] = bytes[$1, i - 1]; row[$1, i] = row[$1, i - 1]; i--
  }
  bytes[$1, i] = $2 + 0
  row[$1, i] = sprintf("%.6g\t%.6g\t%s", $2 / 1048576, 100 * $3, $4 == "" ? " " : $4)
}

END {
  if (failed) exit 1
  if (!methods) stop("expected at least one line")
  for (m = 1; m <= methods; m++) {
    print names[m]
    for (i = 1; i <= count[names[m]]; i++) print row[names[m], i]
    print "\n"
  }
}
