# Recall against exact search over milliseconds a query: a curve an index; faint tails reach to the 99th percentile. A tail
# that leaves the picture tells of a machine that had other work to do.
data = ARG1; out = ARG2; heading = ARG3
width = 760; height = 470
load "common.gp"
field(i) = system(sprintf("head -n 1 '%s' | cut -f %d", data, i))
cut_off = field(2); statistic = field(3)
stats data using 1 name "MS" nooutput

set title heading font ",17" offset 0, -0.4
set tmargin at screen 0.88
set bmargin at screen 0.25
set lmargin at screen 0.105
set rmargin at screen 0.975
set logscale x
set xrange [0.8 * MS_min:4 * MS_max] noextend
set xlabel "milliseconds a query on one thread (".statistic."; tails: 99th percentile; numbers: ef)"
set ylabel "Recall".(cut_off eq "" ? "" : "@".cut_off)." against exact search (%)" offset 0.5, 0
set xtics (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
set offsets 0, 0, 0, graph 0.04
set key at screen 0.54, 0.06 center horizontal reverse Left samplen 2.5 width -3 maxrows 2

colour[2] = "#0072b2"; colour[3] = "#d55e00"; colour[4] = "#56b4e9"
marker[1] = 13
plot for [s = 1:STATS_blocks] data index s - 1 using 1:2:($3 - $1):(0) with vectors nohead lw 5 \
       lc rgb "#d8".colour[style_of(s)][2:7] notitle, \
     for [s = 1:STATS_blocks] data index s - 1 using 1:2 with linespoints lw 2 pt marker[style_of(s)] ps 0.8 \
       lc rgb colour[style_of(s)] title columnheader(1), \
     for [s = 1:STATS_blocks] data index s - 1 using 1:2:(strcol(4) eq "-" ? "" : strcol(4)) \
       with labels left offset 0.6, -0.8 font ",11" textcolor rgb colour[style_of(s)] notitle
