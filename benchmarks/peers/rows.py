"""Writes what the indexes are built on: the rows of a data folder as they are, whitened, and of XS by least squares in
its balanced form at full rank and at half, each with its queries and the exact 100 best, by the formulas of
tests/reference.

    rows.py DATA OUT [--passages N]

OUT/spaces has their names, in this order.
"""
import argparse
import os
import sys

import numpy as np
import scipy.sparse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/reference"))
import reference  # noqa: E402


def read_pairs(path, shape):
    table = np.loadtxt(path, ndmin=2)
    weights = table[:, 2] if table.shape[1] > 2 else np.ones(len(table))
    return scipy.sparse.csr_array((weights, table[:, :2].astype(int).T), shape=shape)


def read_matrix(folder, name):
    x = np.load(os.path.join(folder, name + ".npy")).astype("f")
    scales = os.path.join(folder, name + ".scales.npy")
    return x * np.load(scales).reshape(-1, 1) if os.path.exists(scales) else x


def within_scatter(Q, Y):
    """reference.within_scatter for a sparse Y: Σ Y_ij q_i q_iᵀ − Σ_j y_j c_j c_jᵀ over passages with two or more queries."""
    Y = Y[:, np.flatnonzero(np.diff(Y.tocsc().indptr) >= 2)]
    sums, weights = Y.T @ Q, np.asarray(Y.sum(0))
    return ((Q * np.asarray(Y.sum(1))[:, None]).T @ Q - (sums / weights[:, None]).T @ sums) / weights.sum()


def exact(rows, queries, k):
    """Row numbers of the k largest inner products of each query, largest first."""
    found = np.empty((len(queries), k), np.int32)
    for at in range(0, len(queries), 256):
        scores = queries[at : at + 256] @ rows.T
        best = np.argpartition(-scores, k - 1, 1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, best, 1), 1, kind="stable")
        found[at : at + 256] = np.take_along_axis(best, order, 1)
    return found


def spaces(P, Q, Y, X):
    """(name, rows, queries), one at a time."""
    yield "raw", P, X
    Q = Q.astype(float)
    w = reference.power(within_scatter(Q, Y), 1.0, -0.5)
    yield "whitened", reference.unit(P @ w.T), reference.unit(X @ w.T)
    folded = reference.fold(P, reference.least_squares(P.astype(float), Q, Y, 0.1, 0.3), 0.1)
    for rank in (P.shape[1], P.shape[1] // 2):
        to_query, to_row, mean = reference.balanced(Q, folded, rank)
        yield f"least_squares_{rank}", (folded - mean) @ to_row.T, X @ to_query.T


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--passages", type=int, help="the first N alone")
    asked = parser.parse_args()
    P, Q, X = (read_matrix(asked.data, name) for name in ("passages", "train_queries", "test_queries"))
    Y = read_pairs(os.path.join(asked.data, "train_relevance.tsv"), (len(Q), len(P)))
    P, Y = P[: asked.passages], Y[:, : asked.passages]
    names = []
    for name, rows, queries in spaces(P, Q, Y, X):
        folder = os.path.join(asked.out, name)
        os.makedirs(folder, exist_ok=True)
        rows, queries = (np.ascontiguousarray(x, np.float32) for x in (rows, queries))
        np.save(os.path.join(folder, "passages.npy"), rows)
        np.save(os.path.join(folder, "queries.npy"), queries)
        np.save(os.path.join(folder, "exact.npy"), exact(rows, queries, min(100, len(rows))))
        print(f"{name}: {rows.shape[0]} rows x {rows.shape[1]}, {len(queries)} queries", flush=True)
        names.append(name)
    with open(os.path.join(asked.out, "spaces"), "w") as file:
        file.writelines(name + "\n" for name in names)


if __name__ == "__main__":
    main()
