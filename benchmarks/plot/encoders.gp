# Recall@K of several methods on several sets: a cluster of bars a set, whiskers for the 95 % intervals.
data = ARG1; out = ARG2; heading = ARG3; at = ARG4
stats data using 1 nooutput
series = STATS_blocks
sets = int(STATS_max) + 1

# Pixels.
width = 120 + 130 * sets; height = 430
load "common.gp"

set title heading font ",17"
set ylabel "Recall@".word(at, 1)." (%)"
set yrange [0:*]
set xrange [-0.6:sets - 0.4]
set xtics scale 0
unset grid
set grid ytics lt 1 lw 1 lc rgb "#e4e4e4"
set boxwidth 0.8 / series
set style fill solid 1 noborder
set key below horizontal reverse Left samplen 1.5 spacing 1.3 maxrows 2
shift(s) = 0.8 / series * (s - 0.5) - 0.4
plot for [s = 1:series] data index s - 1 using ($1 + shift(s)):2 with boxes lc rgb colour[style_of(s)] \
       title columnheader(1), \
     for [s = 1:series] data index s - 1 using ($1 + shift(s)):3:(0):($4 - $3) with vectors nohead lw 1 lc rgb ink notitle, \
     data index 0 using 1:(NaN):xtic(5) notitle
