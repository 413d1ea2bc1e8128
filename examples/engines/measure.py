"""One row of the table of examples/engines/run.sh: loads an export of `pefa export-xs --to ENGINE` by the commands of its
README, asks the test queries, and prints what was found and what it took.

  measure.py ENGINE FOLDER DATA NAME --rows FOLDER [--recall 0.99] [--queries 1000]

--rows is the same export --to lancedb, whose vectors say what is exact. Times are at the smallest beam whose answers are
that share of the exact ten (ann_recall@10), so that engines and forms compare at equal recall: the median, and the
fastest tenth, which a busy machine spoils least. A beam is the one that ran: an engine may need one as wide as what it
is asked for."""
import argparse
import os
import pathlib
import shutil
import statistics
import sys
import time

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/engines"))
from exports import load  # noqa: E402
from rankings import as_literal, read_queries  # noqa: E402


def seconds_to_load(folder):
    began = time.perf_counter()
    load(folder)
    return time.perf_counter() - began


def disk_bytes(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size


class Pgvector:
    def __init__(self, folder):
        import psycopg
        with psycopg.connect(autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS passage")
        self.load_seconds = seconds_to_load(folder)
        self.connection = psycopg.connect(autocommit=True)
        self.connection.execute("SET enable_seqscan = off")
        self.connection.execute("SET hnsw.iterative_scan = strict_order")
        self.bytes, = self.connection.execute("SELECT pg_total_relation_size('passage')").fetchone()

    def beam(self, ef, k):
        self.connection.execute(f"SET hnsw.ef_search = {ef}")
        return ef

    def ask(self, query, k):
        return [id for id, in self.connection.execute(
            "SELECT id FROM passage ORDER BY embedding <#> %s::vector LIMIT %s", [as_literal(query), k])]


class Qdrant:
    def __init__(self, folder):
        import qdrant_edge
        self.edge = qdrant_edge
        shutil.rmtree(folder / "passage.qdrant", ignore_errors=True)
        self.load_seconds = seconds_to_load(folder)
        self.shard = qdrant_edge.EdgeShard.load(str(folder / "passage.qdrant"))
        self.bytes = disk_bytes(folder / "passage.qdrant")

    def beam(self, ef, k):
        self.parameters = self.edge.SearchParams(hnsw_ef=ef)
        return ef

    def ask(self, query, k):
        request = self.edge.SearchRequest(query=self.edge.Query.Nearest(query.tolist()), limit=k, params=self.parameters)
        return [hit.id for hit in self.shard.search(request)]


class Lancedb:
    def __init__(self, folder):
        import lancedb
        shutil.rmtree(folder / "passage.lance", ignore_errors=True)
        self.load_seconds = seconds_to_load(folder)
        self.table = lancedb.connect(str(folder / "passage.lance")).open_table("passage")
        began = time.perf_counter()
        self.table.create_index(metric="dot", index_type="IVF_HNSW_SQ", m=32, ef_construction=200, num_partitions=1)
        self.load_seconds += time.perf_counter() - began
        self.bytes = disk_bytes(folder / "passage.lance")

    def beam(self, ef, k):
        self.ef = max(ef, 4 * k)  # as many as are rescored
        return self.ef

    def ask(self, query, k):
        search = self.table.search(query).distance_type("dot").nprobes(1).ef(self.ef).refine_factor(4)
        return search.limit(k).select(["id"]).to_arrow()["id"].to_pylist()


class Milvus:
    def __init__(self, folder):
        from pymilvus import MilvusClient
        shutil.rmtree(folder / "passage.db", ignore_errors=True)
        if (folder / "passage.db").is_file():
            (folder / "passage.db").unlink()
        self.load_seconds = seconds_to_load(folder)
        self.client = MilvusClient(str(folder / "passage.db"))
        self.client.load_collection("passage")
        self.bytes = disk_bytes(folder / "passage.db")

    def beam(self, ef, k):
        self.parameters = {"metric_type": "IP", "params": {"ef": max(ef, k)}}
        return max(ef, k)

    def ask(self, query, k):
        found = self.client.search("passage", data=[query.tolist()], limit=k, search_params=self.parameters)
        return [hit["id"] for hit in found[0]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=["pgvector", "qdrant", "lancedb", "milvus"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("name")
    parser.add_argument("--rows", required=True, type=pathlib.Path, help="the same export --to lancedb: its vectors")
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--queries", type=int, default=1000)
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    queries = read_queries(str(arguments.data / "test_queries.npy"), arguments.queries)
    truth = {}
    for line in open(arguments.data / "test_relevance.tsv"):
        query, passage, *_ = line.split()
        truth.setdefault(int(query), set()).add(int(passage))
    judged = [number for number in range(len(queries)) if number in truth]
    if (arguments.folder / "query_map.npy").exists():
        queries = queries @ numpy.load(arguments.folder / "query_map.npy").T
    rows = numpy.load(arguments.rows / "vectors.npy")
    exact = [numpy.argsort(-(rows @ query), kind="stable")[:100].tolist() for query in queries]

    engine = {"pgvector": Pgvector, "qdrant": Qdrant, "lancedb": Lancedb, "milvus": Milvus}[arguments.engine](arguments.folder)
    sample = judged[:200]
    for ef in (16, 32, 64, 100, 200, 400, 800, 1000):
        beam = engine.beam(ef, 10)
        found = sum(len(set(engine.ask(queries[number], 10)) & set(exact[number][:10])) for number in sample)
        ann_recall = found / 10 / len(sample)
        if ann_recall >= arguments.recall:
            break
    times, answers = [], {}
    for number in sample:
        began = time.perf_counter()
        engine.ask(queries[number], 10)
        times.append(1000 * (time.perf_counter() - began))
    engine.beam(max(ef, 400), 100)
    for number in judged:
        answers[number] = engine.ask(queries[number], 100)

    def recall(ranking, k):
        return 100 * statistics.mean(len(set(ranking[n][:k]) & truth[n]) / len(truth[n]) for n in judged)

    figures = " | ".join(f"{recall(answers, k):.1f}" for k in (1, 10, 100))
    own = " / ".join(f"{recall(exact, k):.1f}" for k in (1, 10, 100))
    print(f"| {arguments.engine} | {arguments.name} | {figures} | {own} | {ann_recall:.3f} | {beam} | "
          f"{statistics.median(times):.2f} / {statistics.quantiles(times, n=10)[0]:.2f} | {engine.load_seconds:.1f} | {engine.bytes / 2**20:.1f} |", flush=True)
    os._exit(0)  # an embedded server may not end by itself


main()
