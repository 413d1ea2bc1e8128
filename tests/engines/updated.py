"""Makes the small changes of a data set that tests/engines.sh updates engines by, and what they should then answer.

  updated.py change DATA IDS OUT            passages without the first three, ten training pairs fewer, ids to match
  updated.py expect BASE UPDATE QUERIES OUT the exact best ten of the lancedb export BASE with UPDATE applied"""
import json
import pathlib
import sys

import numpy

from rankings import read_queries


def change(data, ids, out):
    data, out = pathlib.Path(data), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    numpy.save(out / "passages.npy", read_queries(str(data / "passages.npy"), None)[3:])
    with open(ids) as lines, open(out / "ids.txt", "w") as kept:
        kept.writelines(lines.readlines()[3:])
    pairs = [line.split("\t") for line in open(data / "train_relevance.tsv").read().splitlines()]
    with open(out / "train_relevance.tsv", "w") as kept:
        for query, passage, *weight in pairs[10:]:
            if int(passage) >= 3:
                kept.write("\t".join([query, str(int(passage) - 3), *weight]) + "\n")


def expect(base, update, queries, out):
    base, update = pathlib.Path(base), pathlib.Path(update)
    rows = dict(zip(open(base / "ids.txt").read().splitlines(), numpy.load(base / "vectors.npy")))
    changed = dict(zip(open(update / "ids.txt").read().splitlines(), numpy.load(update / "vectors.npy")))
    gone = open(update / "deletes.txt").read().splitlines()
    if not changed or len(changed) > 50 or len(gone) != 3:
        sys.exit(f"updated: {len(changed)} changed and {len(gone)} gone, expected a few and 3")
    rows.update(changed)
    for id in gone:
        del rows[id]
    ids, matrix = list(rows), numpy.stack(list(rows.values()))
    with open(out, "w") as lines:
        for number, query in enumerate(read_queries(queries, 1000)):
            scores = matrix @ query
            best = numpy.argsort(-scores, kind="stable")[:10]
            hits = [{"passage": ids[row], "score": float(scores[row])} for row in best]
            lines.write(json.dumps({"query": str(number), "hits": hits}) + "\n")


{"change": change, "expect": expect}[sys.argv[1]](*sys.argv[2:])
