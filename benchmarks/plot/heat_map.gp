# Recall@K over lambda and k: a panel a gate, the figure in each cell, a frame around the best cell of each panel.
data = ARG1; out = ARG2; heading = ARG3; at = ARG4
stats data using 1 nooutput
panels = STATS_blocks - 2
stats data index 0 using 1 nooutput
columns = STATS_records
stats data index 1 using 1 nooutput
rows = STATS_records

# Pixels. A cell takes a figure such as 28.8; a small map has larger cells.
across = columns * (columns > 8 ? 31.0 : 250.0 / columns)
up = rows * (rows > 5 ? 31.0 : 180.0 / rows)
left = 62; gap = 28; right = 90; above = 74.0; below = 70.0
width = left + panels * across + (panels - 1) * gap + right
height = above + up + below
load "common.gp"

stats data index 2:(panels + 1) using 3 nooutput
low = STATS_min; high = STATS_max > low ? STATS_max : low + 1
set cbrange [low:high]
set palette defined (0 "#f7fbff", 0.25 "#c6dbef", 0.5 "#6baed6", 0.75 "#2171b5", 1 "#08306b") maxcolors 64
is_dark(recall) = recall > low + 0.6 * (high - low)

set xrange [-0.5:columns - 0.5]
set yrange [-0.5:rows - 0.5]
set style fill solid 1 noborder
unset key; unset tics; unset grid; unset border
set tmargin at screen 1 - above / height
set bmargin at screen below / height
set cblabel "Recall@".at." (%)" textcolor rgb ink
set cbtics scale 0 textcolor rgb ink
set xlabel "λ (weight of the plain model)" offset 0, -1

set multiplot
set label 1 heading at screen 0.5, 1 - 24.0 / height center font ",17" textcolor rgb ink
do for [panel = 1:panels] {
  start = left + (panel - 1) * (across + gap)
  set lmargin at screen 1.0 * start / width
  set rmargin at screen 1.0 * (start + across) / width
  if (panel == 1) { set ylabel "k (training queries looked up)" offset -2.2, 0 } else { unset ylabel }
  if (panel == panels) {
    set colorbox user origin screen 1.0 * (start + across + 14) / width, screen below / height \
      size screen 12.0 / width, screen up / height noborder
  } else { unset colorbox }
  set label 2 system(sprintf("awk -F'\t' 'NF == 1 && ++n == %d' '%s'", panel + 2, data)) \
    at graph 0.5, 1.09 center textcolor rgb ink
  plot data index panel + 1 using 1:2:($1 - 0.5):($1 + 0.5):($2 - 0.5):($2 + 0.5):3 with boxxyerror fillcolor palette, \
       data index panel + 1 using ($4 == 1 ? $1 : NaN):2:($1 - 0.46):($1 + 0.46):($2 - 0.46):($2 + 0.46) \
         with boxxyerror lc rgb "#d55e00" lw 2.5 fs empty border, \
       data index panel + 1 using 1:2:(sprintf("%.1f", $3)):(is_dark($3) ? 0xffffff : 0x222222) \
         with labels font ",11" textcolor rgb variable, \
       data index 0 using 1:(-0.5):(strcol(2)) with labels offset 0, -0.9 font ",12" textcolor rgb ink, \
       data index 1 using (-0.5):1:(panel == 1 ? strcol(2) : "") with labels right offset -0.7, 0 font ",12" \
         textcolor rgb ink
  unset label 1
}
unset multiplot
