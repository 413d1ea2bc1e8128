# gnuplot's SVG, smaller: the picture's heading as its title (from the environment's TITLE), no plot commands as titles of
# groups, one choice of fonts for all, no indentation, no empty decimals.
{ gsub(/^[ \t]+|[ \t]+$/, "") }
/^$/ || /^<desc>/ { next }
/^<title>Gnuplot<\/title>$/ { print "<title>" ENVIRON["TITLE"] "</title>"; next }
/^xmlns="/ { print "font-family=\"Helvetica, Arial, sans-serif\"" }
!/<text>/ {
  gsub(/<title>[^<]*<\/title>/, "")
  gsub(/ font-family="sans-serif"/, "")
  gsub(/ = '/, "='")
  gsub(/\.00 /, " ")
  gsub(/\.00,/, ",")
  gsub(/\.00"/, "\"")
  gsub(/  +/, " ")
}
{ print }
