# Recall@10 over the share of the training queries that there were: a panel a set, one legend under all of them.
data = ARG1; out = ARG2; heading = ARG3; at = ARG4
stats data using 1 nooutput
series = 5
panels = STATS_blocks / series

# Pixels.
width = 10 + 300 * panels; height = 420
load "common.gp"

set logscale x
set xrange [4.5:110]
set xtics (5, 10, 25, 50, 100)
set yrange [0:*]
set tmargin at screen 1 - 60.0 / height
set bmargin at screen 120.0 / height
set multiplot
set label 1 heading at screen 0.5, 1 - 20.0 / height center font ",17" textcolor rgb ink
set xlabel "training queries used (%)" offset 0, 0.3
unset key
do for [panel = 1:panels] {
  set lmargin at screen (62.0 + 300 * (panel - 1)) / width
  set rmargin at screen (300.0 * panel - 2) / width
  set ylabel "Recall@10 (%)" offset 1, 0
  set label 2 system(sprintf("awk -F'\\t' 'NF == 2 && $1 == \"ERM\" { if (++n == %d) print $2 }' %s", panel, data)) \
    at graph 0.5, 1.06 center textcolor rgb ink
  plot for [s = 1:series] data index (panel - 1) * series + s - 1 using 1:2 with linespoints lw 2 \
         pt marker[style_of(s)] ps 0.7 lc rgb colour[style_of(s)]
  unset label 1
}
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen 62.0 / height
set bmargin at screen 6.0 / height
unset border; unset tics; unset xlabel; unset ylabel; unset grid; unset label 2
set key center center horizontal reverse Left samplen 2.5 spacing 1.3
set yrange [0:1]
plot for [s = 1:series] data index s - 1 using (NaN):(NaN) with linespoints lw 2 pt marker[style_of(s)] ps 0.7 \
       lc rgb colour[style_of(s)] title columnheader(1)
unset multiplot
