# Recall over the bytes that an index holds: a marker a measurement, a line through the measurements of one method.
data = ARG1; out = ARG2; heading = ARG3; at = ARG4
width = 760; height = 470
load "common.gp"

set title heading font ",17" offset 0, -0.4
set tmargin at screen 0.88
set bmargin at screen 0.28
set lmargin at screen 0.105
set rmargin at screen 0.975
set logscale x 2
set xlabel "index (MiB)"
set ylabel "Recall@".at." (%)" offset 0.5, 0
set offsets graph 0.05, graph 0.1, graph 0.1, graph 0.08
set key at screen 0.54, 0.07 center horizontal reverse Left samplen 2.5 spacing 1.3 width -1 maxrows 2

marker[1] = 6
plot for [s = 1:STATS_blocks] data index s - 1 using 1:2 with linespoints lw 2 pt marker[style_of(s)] ps 1 \
       lc rgb colour[style_of(s)] title columnheader(1), \
     for [s = 1:STATS_blocks] data index s - 1 using 1:2:(strcol(3)) with labels left offset 0.7, -0.8 font ",12" \
       textcolor rgb ink notitle
