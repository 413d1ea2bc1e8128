#!/usr/bin/env python3
"""Draws idea.svg, the picture of the README: what the plain model, PEFA-XS and PEFA-XL do with one query.

Usage: benchmarks/plot/idea.py >benchmarks/plot/idea.svg
"""

PANEL = 300
HEIGHT = 270
INK, MUTED, PASSAGE, QUERY, ASKED = "#24292f", "#8b949e", "#0969da", "#8250df", "#cf222e"

# Two dimensions stand for all: where the passages, the training queries and the test query lie.
WRONG, RIGHT = (105, 128), (238, 172)
TRAINING = [(118, 62), (150, 48), (172, 80)]  # what the right passage was the answer to
TEST = (132, 92)
MOVED = (166, 99)  # the right passage, folded with its training queries


def text(x, y, words, color=INK, size=13, anchor="middle", weight="normal"):
    return (f'<text x="{x}" y="{y}" fill="{color}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{words}</text>')


def passage(point, words, faded=False):
    x, y = point
    color = MUTED if faded else PASSAGE
    return (f'<rect x="{x - 6}" y="{y - 6}" width="12" height="12" rx="2" fill="{color}"/>' +
            text(x, y + 22, words, color, 11))


def training(point):
    x, y = point
    return f'<circle cx="{x}" cy="{y}" r="5" fill="none" stroke="{QUERY}" stroke-width="2"/>'


def asked(point):
    x, y = point
    return (f'<path d="M{x - 6} {y}H{x + 6}M{x} {y - 6}V{y + 6}" stroke="{ASKED}" stroke-width="3"/>' +
            text(x - 12, y + 4, "q̂", ASKED, 14, "end", "bold"))


def line(a, b, color, arrow=False, dashes=""):
    end = ' marker-end="url(#arrow)"' if arrow else ""
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (f'<path d="M{a[0]} {a[1]}L{b[0]} {b[1]}" stroke="{color}" stroke-width="1.5" fill="none"{dash}{end}/>')


def short_of(a, b, gap):
    """The point `gap` before b on the way from a."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = (dx * dx + dy * dy) ** 0.5
    return (b[0] - dx * gap / length, b[1] - dy * gap / length)


def panel(number, title, below, parts):
    frame = f'<rect x="8" y="8" width="{PANEL - 16}" height="{HEIGHT - 16}" rx="8" fill="#ffffff" stroke="#d0d7de"/>'
    words = text(PANEL / 2, 30, title, INK, 14, weight="bold")
    for i, row in enumerate(below):
        words += text(PANEL / 2, HEIGHT - 40 + 17 * i, row, INK, 12)
    return f'<g transform="translate({number * PANEL},0)">{frame}{words}{"".join(parts)}</g>'


plain = [line(TEST, short_of(TEST, WRONG, 9), ASKED, True)] + [passage(WRONG, "found"), passage(RIGHT, "the answer")]
folded = ([line(RIGHT, short_of(RIGHT, MOVED, 10), PASSAGE, True, "4 3")] +
          [line(point, MOVED, QUERY, dashes="2 3") for point in TRAINING] + [training(point) for point in TRAINING] +
          [line(TEST, short_of(TEST, MOVED, 9), ASKED, True)] +
          [passage(WRONG, "", True), passage(RIGHT, "", True), passage(MOVED, "found")])
looked_up = ([line(TEST, short_of(TEST, point, 8), ASKED, True) for point in TRAINING] +
             [training(point) for point in TRAINING] +
             [line(point, short_of(point, RIGHT, 10), QUERY, True, "4 3") for point in TRAINING] +
             [passage(WRONG, "", True), passage(RIGHT, "found")])

print(f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * PANEL} {HEIGHT}" font-family="sans-serif">
<defs><marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>''')
print(panel(0, "The model alone", ["the nearest passage is worded like", "the query; the answer is not"],
            plain + [asked(TEST)]))
print(panel(1, "PEFA-XS: one index", ["each passage moves towards the", "queries it has answered, once, at build"],
            folded + [asked(TEST)]))
print(panel(2, "PEFA-XL: two indexes", ["the nearest past queries vote", "for the passages that answered them"],
            looked_up + [asked(TEST)]))
print("</svg>")
