# What all pictures share, given data, out, width and height. The colours are Okabe and Ito's, which colour-blind readers
# tell apart; every series also has its own marker.
set encoding utf8
set datafile separator "\t"
# In enhanced text the at sign of Recall@10 would be a command.
set terminal svg size width, height noenhanced font "sans-serif,14" background rgb "white"
set output out

ink = "#333333"
set border 3 lw 1 lc rgb "#666666"
set tics nomirror out scale 0.6 textcolor rgb ink
set xlabel textcolor rgb ink
set ylabel textcolor rgb ink
set title textcolor rgb ink
set grid xtics ytics lt 1 lw 1 lc rgb "#e4e4e4"
set key textcolor rgb ink

array colour[8] = ["#777777", "#d55e00", "#56b4e9", "#0072b2", "#1b2f5b", "#009e73", "#cc79a7", "#e69f00"]
array marker[8] = [0, 7, 5, 9, 13, 11, 4, 6]
style_of(series) = 1 + (series - 1) % 8

stats data using 1 nooutput
