# Recall@K against lambda: a panel a cut-off, bands for the 95 % intervals, one legend under all of them.
data = ARG1; out = ARG2; heading = ARG3; at = ARG4
panels = words(at)
stats data using 1 nooutput
series = STATS_blocks / panels
legend_rows = ceil((series + 1) / (panels == 1 ? 1.0 : 3.0))

# Pixels.
below = 45 + 27 * legend_rows
width = 10 + 420 * panels; height = 354 + below
load "common.gp"

set xrange [-0.02:1.02]
set xtics 0.2 format "%.1f"
set yrange [0:*]
set tmargin at screen 1 - 54.0 / height
set bmargin at screen (40.0 + below) / height
set style fill transparent solid 0.13 noborder

block(panel, s) = (panel - 1) * series + s - 1
set multiplot
set label 1 heading at screen 0.5, 1 - 23.0 / height center font ",17" textcolor rgb ink
set xlabel "λ (weight of the plain model)" offset 0, 0.3
unset key
do for [panel = 1:panels] {
  set lmargin at screen (70.0 + 420 * (panel - 1)) / width
  set rmargin at screen (420.0 * panel - 5) / width
  set ylabel "Recall@".word(at, panel)." (%)" offset 1, 0
  plot for [s = 1:series] data index block(panel, s) using 1:3:4 with filledcurves lc rgb colour[style_of(s)], \
       data index block(panel, 1) using 1:2 with lines lw 2 dashtype (8, 5) lc rgb colour[1], \
       for [s = 2:series] data index block(panel, s) using 1:2 with linespoints lw 2 pt marker[style_of(s)] ps 0.7 \
         lc rgb colour[style_of(s)]
  unset label 1
}

# A key is never wider than its plot, so the legend is a plot of its own, as wide as the picture.
set lmargin at screen 0
set rmargin at screen 1
set tmargin at screen (below - 30.0) / height
set bmargin at screen 8.0 / height
unset border; unset tics; unset xlabel; unset ylabel; unset grid
set key center center horizontal reverse Left samplen 2.5 spacing 1.3 width -4 maxrows legend_rows
set yrange [0:1]
plot data index 0 using (NaN):(NaN) with lines lw 2 dashtype (8, 5) lc rgb colour[1] title columnheader(1), \
     for [s = 2:series] data index s - 1 using (NaN):(NaN) with linespoints lw 2 pt marker[style_of(s)] ps 0.7 \
       lc rgb colour[style_of(s)] title columnheader(1), \
     data index 0 using (NaN):(NaN):(NaN) with filledcurves lc rgb colour[1] fs transparent solid 0.25 noborder \
       title "95 % bootstrap intervals"
unset multiplot
