# Recall@K over lambda and k: a panel a gate, the figure in each cell, a frame around the best cell of each panel.
data = ARG1; out = ARG2; heading = ARG3; at = ARG4
stats ARG1 using 1 nooutput
