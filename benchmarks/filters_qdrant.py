"""What filters_qdrant.sh runs: the cases of bench_filters on Qdrant's engine in process.

Each case is a value of one indexed keyword field that the admitted points carry, as a tenant or a shop's shelf would be.
Times are of the caller, one query after the other, Python's call included: a search of a hundred microseconds feels it."""
import argparse
import collections
import json
import pathlib
import tempfile
import time

import numpy
from qdrant_edge import (AcornSearchParams, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeVectorParams,
                         FieldCondition, Filter, HnswIndexConfig, MatchValue, PayloadSchemaType, Point, Query,
                         SearchParams, SearchRequest, UpdateOperation)

K = 10


def build(folder, rows, cases):
    """A shard of one segment, its graph as bench_filters builds them."""
    marks = collections.defaultdict(list)
    for case in cases:
        for row in case["admitted_rows"]:
            marks[int(row)].append(case["rows"])
    hnsw = HnswIndexConfig(m=32, ef_construct=200, full_scan_threshold=1000)
    shard = EdgeShard.create(folder, EdgeConfig(
        vectors=EdgeVectorParams(size=rows.shape[1], distance=Distance.Dot), hnsw_config=hnsw,
        optimizers=EdgeOptimizersConfig(default_segment_number=1)))
    shard.update(UpdateOperation.create_field_index("case", PayloadSchemaType.Keyword))
    for begin in range(0, len(rows), 1024):
        shard.update(UpdateOperation.upsert_points(
            [Point(i, rows[i].tolist(), {"case": marks[i]}) for i in range(begin, min(begin + 1024, len(rows)))]))
    shard.optimize()
    return shard


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ef", type=int, default=300)
    parser.add_argument("--rows", type=int, help="the first so many passages, as bench_filters --rows")
    arguments = parser.parse_args()
    rows = numpy.load(arguments.data / "passages.npy").astype(numpy.float32)[:arguments.rows]
    queries = numpy.load(arguments.data / "test_queries.npy").astype(numpy.float32)
    cases = json.loads((arguments.cases / "cases.json").read_text())
    for case in cases:
        case["admitted_rows"] = numpy.fromfile(arguments.cases / case["rows"], dtype=numpy.uint32)

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        shard = build(folder, rows, cases)
        print(f"qdrant-edge, {len(rows)} rows of dim {rows.shape[1]}, M 32, efConstruction 200, ef {arguments.ef}, "
              f"k {K}; built in {time.perf_counter() - began:.0f} s")
        print(f"{'admitted':>9} {'filter':>12} {'way':>14} {'recall':>8} {'p50 us':>9} {'p99 us':>9}")
        ways = {"qdrant": None, "qdrant, ACORN": AcornSearchParams(enable=True)}
        groups = {}
        for case in cases:
            groups.setdefault((case["admitted"], case["filter"]), []).append(case)
        for (admitted, kind), group in groups.items():
            times, found_of_exact, asked = {way: [] for way in ways}, {way: 0 for way in ways}, 0
            for case in group:
                among = case["admitted_rows"]
                only = Filter(must=[FieldCondition(key="case", match=MatchValue(value=case["rows"]))])
                for q in case["queries"]:
                    scores = rows[among] @ queries[q]
                    exact = set(among[numpy.argsort(-scores, kind="stable")[:K]].tolist())
                    asked += len(exact)
                    for way, acorn in ways.items():
                        request = SearchRequest(query=Query.Nearest(queries[q].tolist()), limit=K, filter=only,
                                                params=SearchParams(hnsw_ef=arguments.ef, acorn=acorn))
                        for round in range(arguments.rounds):
                            start = time.perf_counter()
                            hits = shard.search(request)
                            times[way].append(1e6 * (time.perf_counter() - start))
                        found_of_exact[way] += len(exact & {hit.id for hit in hits})
            for way in ways:
                print(f"{100 * admitted:8.1f}% {kind:>12} {way:>14} {found_of_exact[way] / max(asked, 1):8.4f} "
                      f"{numpy.percentile(times[way], 50):9.1f} {numpy.percentile(times[way], 99):9.1f}", flush=True)


main()
