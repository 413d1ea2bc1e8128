"""Recall, nDCG and reciprocal rank of a TREC run against pairs, by the definitions alone: evaluate_run.py RUN PAIRS K.

Prints three lines, "recall 0.5" and so on: means over the queries that have a relevant passage.
"""
import math
import sys
from collections import defaultdict

run_path, pairs_path, k = sys.argv[1], sys.argv[2], int(sys.argv[3])

truth = defaultdict(dict)
with open(pairs_path) as pairs:
    for line in pairs:
        query, passage, *weight = line.rstrip("\n").split("\t")
        truth[query][passage] = truth[query].get(passage, 0.0) + (float(weight[0]) if weight else 1.0)

scores = defaultdict(dict)
with open(run_path) as run:
    for line in run:
        query, _, passage, _, score, _ = line.split()
        scores[query][passage] = float(score)

totals = {"recall": 0.0, "ndcg": 0.0, "mrr": 0.0}
for query, grades in truth.items():
    ranking = sorted(scores[query].items(), key=lambda hit: (hit[1], hit[0]), reverse=True)[:k]
    gains = [grades.get(passage, 0.0) for passage, _ in ranking]
    ideal = sorted(grades.values(), reverse=True)[:k]
    totals["recall"] += sum(gain > 0 for gain in gains) / len(grades)
    totals["ndcg"] += (sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
                       / sum(gain / math.log2(rank + 2) for rank, gain in enumerate(ideal)))
    totals["mrr"] += next((1 / (rank + 1) for rank, gain in enumerate(gains) if gain > 0), 0.0)

for name, total in totals.items():
    print(name, repr(total / len(truth)))
