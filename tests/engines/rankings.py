"""What the checks of the engines share: queries and the library's answers from files, and when two rankings agree."""
import json

import numpy


def read_queries(path, count):
    """The first vectors of a .npy as float32, int8 codes with their scales too."""
    queries = numpy.load(path)[:count]
    if queries.dtype == numpy.int8:
        scales = numpy.load(path.replace(".npy", ".scales.npy"))[:count]
        queries = queries.astype(numpy.float32) * scales[:, None]
    return queries.astype(numpy.float32)


def read_hits(path, count):
    """The best ten of `pefa search --out hits.jsonl`: (id, score) each."""
    with open(path) as lines:
        return [[(hit["passage"], hit["score"]) for hit in json.loads(line)["hits"]][:10]
                for line, _ in zip(lines, range(count))]


def as_literal(query):
    """A vector as pgvector reads it."""
    return "[" + ",".join(repr(float(x)) for x in query) + "]"


def differences(found, expected):
    """What two rankings differ in beyond swaps of scores closer than 1e-5: a message, or None."""
    if len(found) != len(expected):
        return f"{len(found)} hits, expected {len(expected)}"
    for rank, ((id, score), (expected_id, expected_score)) in enumerate(zip(found, expected)):
        if abs(score - expected_score) > 1e-5:
            return f"rank {rank}: {id} scores {score}, expected {expected_id} at {expected_score}"
    scores = dict(expected)
    for id, score in found:
        if id in scores and abs(scores[id] - score) > 1e-5:
            return f"{id} scores {score}, expected {scores[id]}"
        if id not in scores and abs(score - expected[-1][1]) > 1e-5:
            return f"{id} scores {score} and is not expected"
    return None


def share_found(found, expected):
    """How many of the expected ids were found."""
    return len({id for id, _ in found} & {id for id, _ in expected}) / len(expected)
