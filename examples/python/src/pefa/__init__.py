"""Better answers from any frozen embedding model, from the query-passage pairs at hand, without a gradient.

    retriever = pefa.build(P, Q, Y)       # [passages, dim], [training queries, dim], SciPy sparse [queries, passages]
    ids, scores = retriever.search(X, 10)

Arrays of float32 in C order are read in place, other floats are converted. Long calls leave the GIL to other threads
and end on Ctrl-C. What is wrong with data is a ValueError, with a file an OSError, or FormatError where it is damaged.
"""

import json
import operator
import os
from types import SimpleNamespace

import numpy as np

from . import _pefa
from ._pefa import FormatError

__all__ = ["FormatError", "Retriever", "build", "evaluate", "open", "tune"]


class Retriever:
    """What build() and open() give. It never changes: any number of threads may search it."""

    def __init__(self, held):
        self._held = held

    passage_count = property(lambda self: self._held.passage_count(), doc="How many passages it searches.")
    dim = property(lambda self: self._held.dim(), doc="Elements of a query.")
    ids = property(lambda self: self._held.ids(), doc="The passages' own ids; None where it has no table of them.")
    spec = property(lambda self: json.loads(self._held.spec()), doc="What it is, as build() takes it.")

    def search(self, X, k=10, *, where=None, among=None, train_where=None, threads=0, **options):
        """The best k passages of each query: rows (int64) and scores (float32), [n, k], or [k] for one vector.

        Where fewer are found, -1 and -inf fill the rest. where="lang=en & price<=20" admits passages by their tags,
        among (row numbers, or a bool a passage) by rows, train_where the training queries that vote. Options: ef,
        rerank, query_ef, neighbors, lambda_.
        """
        X, k = np.asarray(X), operator.index(k)
        if k < 1:
            raise ValueError(f"search: k is {k}, expected at least 1")
        queries = _rows(X[None] if X.ndim == 1 else X, "X")
        ids, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        among = None if among is None else _among(np.asarray(among), self.passage_count)
        self._held.search(queries, ids, scores, threads, _options(**options), where, among, train_where)
        return (ids[0], scores[0]) if X.ndim == 1 else (ids, scores)

    def explain(self, x, passage, **options):
        """score = erm + knn for one query and passage, and the voters: training queries and what each adds."""
        x = _rows(np.asarray(x)[None], "x")
        score, erm, knn, voters = self._held.explain(x, operator.index(passage), _options(**options))
        names = ("query", "similarity", "weight", "relevance", "contribution")
        return SimpleNamespace(score=score, erm=erm, knn=knn, voters=[dict(zip(names, voter)) for voter in voters])

    def save(self, path):
        """Writes one file, whole or not at all."""
        self._held.save(os.fspath(path))


def build(P, Q=None, Y=None, *, spec=None, ids=None, tags=None, query_tags=None, copy=False, threads=0, **fields):
    """A retriever as a spec says: a dict, tune(...).pick, or its fields as keywords (method="xs", lambda_=0.1).

    Y is a SciPy sparse matrix, or (queries, passages[, weights]) as arrays; duplicates add up. method="erm" needs P
    alone. ids names the passages; tags is {key: [a value, several, or None for each passage]}, of integers or of text,
    query_tags the same of the training queries (XL). Unless copy=True, the retriever may read P and Q where they are: it keeps them alive,
    and they must not change. threads=1 builds the same to the bit every time.
    """
    fields = {name.rstrip("_"): value for name, value in fields.items()}
    if unknown := fields.keys() - json.loads(_pefa.default_spec()).keys() - {"query_index"}:
        raise TypeError(f"build: no field of a spec: {', '.join(sorted(unknown))}")
    text = json.dumps({**(spec or {}), **fields}, default=np.generic.item, allow_nan=False)
    P, Q = _rows(P, "P"), None if Q is None else _rows(Q, "Q")
    pairs = None if Q is None else _pairs(Y, (len(Q), len(P)), "Y")
    ids = None if ids is None else [str(i) for i in ids]
    tags, query_tags = _tags(tags, len(P), "tags"), _tags(query_tags, 0 if Q is None else len(Q), "query_tags")
    return Retriever(_pefa.build(text, P, Q, pairs, ids, tags, query_tags, copy, threads))


def tune(P, Q, Y, metric="recall@10", *, max_queries=0, threads=0):
    """The best setting by cross-validation on the training queries, for recall@K, ndcg@K or mrr@K.

    Of the report, pick is build()'s spec, gain what it adds to the plain model, grid every setting and its score.
    """
    P, Q = _rows(P, "P"), _rows(Q, "Q")
    name, _, at = metric.partition("@")
    pairs = _pairs(Y, (len(Q), len(P)), "Y")
    return SimpleNamespace(**json.loads(_pefa.tune(P, Q, pairs, name, int(at or 0), max_queries, threads)))


def evaluate(retriever, X, truth, *, at=(1, 10, 100), threads=0):
    """{"recall@10": [mean, low, high], ...} with 95 % intervals; also ndcg and mrr. truth is as build()'s Y."""
    X = _rows(X, "X")
    pairs = _pairs(truth, (len(X), retriever.passage_count), "truth")
    return json.loads(_pefa.evaluate(retriever._held, X, pairs, threads, list(at)))


def open(path, *, verify=False):
    """Maps what save() or `pefa build` wrote; verify=True checks every byte first."""
    return Retriever(_pefa.open(os.fspath(path), verify))


def _options(ef=0, rerank=0, query_ef=0, neighbors=0, lambda_=None):
    return ef, rerank, query_ef, neighbors, lambda_


def _among(rows, n):
    rows = np.flatnonzero(rows) if rows.dtype == bool and rows.shape == (n,) else rows
    if rows.ndim != 1 or rows.size > 0 and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n):
        raise ValueError(f"among is {rows.dtype} of shape {rows.shape}, expected {n} bools, or rows from 0 to {n - 1}")
    return np.ascontiguousarray(rows, "u4")


def _tags(columns, n, name):
    if columns is None:
        return None
    tags = []
    for key, column in columns.items():
        column = column.tolist() if hasattr(column, "tolist") else list(column)
        if len(column) != n:
            raise ValueError(f"{name}[{key!r}] has {len(column)} rows, expected {n}")
        for row, values in enumerate(column):
            values = values if isinstance(values, (list, tuple, set)) else () if values is None else (values,)
            tags += [(key, row, value if isinstance(value, str) else operator.index(value)) for value in values]
    return tags


def _rows(x, name):
    x = np.asarray(x)
    if x.dtype.kind != "f" or x.ndim != 2:
        raise ValueError(f"{name} is {x.dtype} of shape {x.shape}, expected floats of shape (rows, dim)")
    return np.ascontiguousarray(x, np.float32)


def _pairs(y, shape, name):
    if hasattr(y, "tocoo") and y.shape == shape:
        y = y.tocoo()
        y = (y.row, y.col, y.data)
    if not isinstance(y, (tuple, list)) or len(y) not in (2, 3):
        what = f"{type(y).__name__} of shape {getattr(y, 'shape', None)}"
        raise ValueError(f"{name} is {what}, expected SciPy sparse of {shape} or (queries, passages[, weights])")
    queries, passages, weights = (np.asarray(a) for a in (*y, np.ones(len(y[0])))[:3])
    if not queries.shape == passages.shape == weights.shape == (len(queries),):
        raise ValueError(f"{name} has {queries.shape}, {passages.shape} and {weights.shape}, expected vectors as long")
    for rows, n in ((queries, shape[0]), (passages, shape[1])):
        if len(rows) > 0 and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n):
            raise ValueError(f"{name} has {rows.dtype} {rows.min()} to {rows.max()}, expected rows from 0 to {n - 1}")
    return tuple(np.ascontiguousarray(a, t) for a, t in ((queries, "u4"), (passages, "u4"), (weights, "f4")))
