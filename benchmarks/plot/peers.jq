# The points of peers/table.py -> a block a library: MiB, seconds to build, milliseconds at Recall@K of 0.99; pefa first.
include "common";

($at | tonumber) as $k
| [inputs | input_filename as $file | if type == "array" then .[] else bad($file; "expected an array of points") end
    | . + {file: $file} | select(number("k") == $k and number("target") == 0.99)]
| if length == 0 then error("no index has a Recall@\($k) of 0.99") else . end
| group_by(.rival != "pefa", .rival)[]
| block(.[0].rival; sort_by(number("bytes"))[] | [number("bytes") / 1048576, number("build_seconds"), number("ms")])
