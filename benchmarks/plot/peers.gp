# Milliseconds a query at equal recall over all bytes and over the seconds to build: a marker an index, both axes
# logarithmic, so that below and left is better by as much as it looks.
data = ARG1; out = ARG2; heading = ARG3; at = ARG4
stats data using 1 nooutput
series = STATS_blocks
legend_rows = ceil(series / 4.0)

# Pixels.
below = 40 + 24 * legend_rows
width = 900; height = 390 + below
load "common.gp"

array other[8] = [2, 6, 4, 8, 12, 10, 1, 3]
marker_of(series) = series <= 8 ? marker[style_of(series)] : other[style_of(series)]
colour_of(series) = series == 1 ? colour[2] : series == 2 ? colour[1] : colour[style_of(series)]
marker[1] = 7; marker[2] = 5

set logscale xy 2
set format xy "%.3g"
set tmargin at screen 1 - 54.0 / height
set bmargin at screen (40.0 + below) / height
set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
set multiplot
set label 1 heading at screen 0.5, 1 - 23.0 / height center font ",17" textcolor rgb ink
unset key
array what[2] = ["all bytes (MiB)", "build (s, one thread)"]
do for [panel = 1:2] {
  set lmargin at screen (panel == 1 ? 90.0 : 520.0) / width
  set rmargin at screen (panel == 1 ? 450.0 : 880.0) / width
  set xlabel what[panel] offset 0, 0.3
  set ylabel panel == 1 ? "milliseconds a query, one thread" : "" offset 1, 0
  plot for [s = 1:series] data index s - 1 using panel:3 with points pt marker_of(s) ps 1.1 lw 2 lc rgb colour_of(s)
  unset label 1
}
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen (below - 20.0) / height
set bmargin at screen 8.0 / height
unset border; unset tics; unset xlabel; unset ylabel; unset grid; unset logscale; unset offsets
set key center center horizontal reverse Left samplen 1.5 spacing 1.3 width -2 maxrows legend_rows
set xrange [0:1]
set yrange [0:1]
plot for [s = 1:series] data index s - 1 using (NaN):(NaN) with points pt marker_of(s) ps 1.1 lw 2 \
       lc rgb colour_of(s) title columnheader(1)
unset multiplot
