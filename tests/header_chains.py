#!/usr/bin/env python3
"""Chains of headers whose compilation shows that each header stands alone, in a third of the units.

Where B includes A, the unit "A, B" says of both what a unit for each would say: A comes first, so that nothing helps it,
and B, whose includes bring A before any line of its own, is helped by nothing that it does not include itself.

    tests/header_chains.py INCLUDE_FOLDER HEADER...     prints a chain a line, headers from the innermost outwards
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"](pefa/[^>"]+)[>"]', re.MULTILINE)


def closures(folder, headers):
    """What each header includes, directly or not."""
    text = {header: (folder / header).read_text(encoding="utf-8") for header in headers}
    direct = {header: [name for name in INCLUDE.findall(text[header]) if name in text] for header in headers}
    closed = {}

    def close(header):
        if header not in closed:
            closed[header] = set()  # a cycle ends here
            for name in direct[header]:
                closed[header] |= {name} | close(name)
        return closed[header]

    for header in headers:
        close(header)
    return closed


def chains(closed):
    """Every header in one chain, each included by the next; greedy, from those that include most."""
    left = set(closed)
    while left:
        chain = [max(left, key=lambda header: (len(closed[header]), header))]
        left.remove(chain[0])
        while inner := closed[chain[0]] & left:
            chain.insert(0, max(inner, key=lambda header: (len(closed[header]), header)))
            left.remove(chain[0])
        yield chain


if __name__ == "__main__":
    for each in chains(closures(pathlib.Path(sys.argv[1]), sys.argv[2:])):
        print(" ".join(each))
