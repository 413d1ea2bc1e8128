# Recall@K against lambda: a panel a cut-off, bands for the 95 % intervals.
panels = words(at = system("echo ".ARG4." | tr , ' '"))
width = 90 + 400 * panels
height = 470
load "common.gp"
series = STATS_blocks / panels

set xrange [-0.02:1.02]
set xtics 0.2 format "%.1f"
set yrange [0:*]
set xlabel "λ, the weight of the plain model"
set tmargin at screen 0.83
set bmargin at screen 0.27
set key at screen 0.5, 0.13 center top horizontal maxcols 3 samplen 3 spacing 1.2 width 2
set style fill transparent solid 0.13 noborder
set label 1 heading at screen 0.5, 0.955 center font ",17" textcolor rgb ink

block(panel, s) = (panel - 1) * series + s - 1
set multiplot
do for [panel = 1:panels] {
  set lmargin at screen (80.0 + 400 * (panel - 1)) / width
  set rmargin at screen (60.0 + 400 * panel) / width
  set title "Recall@".word(at, panel)
  set ylabel "Recall@".word(at, panel)." (%)"
  if (panel > 1) { unset key; unset label 1 }
  plot for [s = 1:series] data index block(panel, s) using 1:3:4 with filledcurves lc rgb colour[style_of(s)] notitle, \
       data index block(panel, 1) using 1:2 with lines lw 2 dashtype (8, 5) lc rgb colour[1] title columnheader(1), \
       for [s = 2:series] data index block(panel, s) using 1:2 with linespoints lw 2 pt marker[style_of(s)] ps 0.7 \
         lc rgb colour[style_of(s)] title columnheader(1)
}
unset multiplot
