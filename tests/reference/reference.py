#!/usr/bin/env python3
"""What the adapters compute, on dense matrices: the oracle that the C++ is held against. NumPy and nothing of pefa.

    reference.py expected                 writes expected/small.json, which the C++ tests read
    reference.py table DATA_DIR [SET]     recall of every row in percent, on the sets there whose names hold SET

P [m x d] passages, Q [n x d] training queries, Y [n x m] relevance >= 0, X [t x d] test queries. All fits are on
training data only, in double precision.
"""
import json
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def unit(x):
    """Π of every row; a zero row stays zero."""
    norms = np.sqrt((x * x).sum(1, keepdims=True))
    return x / np.where(norms > 0, norms, 1)


def power(s, shrinkage, exponent):
    """(S + α (tr S/d) I)^exponent, symmetric."""
    d = len(s)
    values, axes = np.linalg.eigh(s + shrinkage * np.trace(s) / d * np.eye(d))
    return (axes * values**exponent) @ axes.T


# XS: correlation and least squares.
def correlation(Q, Y):
    return unit(Y.T @ Q)


def least_squares(P, Q, Y, shrinkage=0.1, b=0.0):
    """C_j = Π(M⁻¹(a_j + b p_j)), M = A + α (tr A/d) I, A = (QᵀQ + b PᵀP)/n."""
    a = (Q.T @ Q + b * P.T @ P) / len(Q)
    m = a + shrinkage * np.trace(a) / len(a) * np.eye(len(a))
    return unit(np.linalg.solve(m, (Y.T @ Q + b * P).T).T)


def fold(P, C, lam):
    """p̃ = λ p + (1 − λ) C; a passage whose C is 0 keeps p."""
    cold = ~C.any(1, keepdims=True)
    return np.where(cold, P, lam * P + (1 - lam) * C)


# The whitened space.
def within_scatter(Q, Y):
    """Σ Y_ij (q_i − c_j)(q_i − c_j)ᵀ / Σ Y_ij over passages with two or more queries; None where there are none."""
    d, scatter, weight = Q.shape[1], 0, 0
    for j in np.flatnonzero((Y != 0).sum(0) >= 2):
        i = np.flatnonzero(Y[:, j])
        y = Y[i, j, None]
        x = Q[i] - (y * Q[i]).sum(0) / y.sum()
        scatter, weight = scatter + (y * x).T @ x, weight + y.sum()
    return scatter / weight if weight else None


def whitening(Q, Y, scatter="within", shrinkage=1.0, rank=None):
    """W = (S + α (tr S/d) I)^(−1/2); below full rank, the leading directions of the second moment of Π(W q) of it."""
    total, within = Q.T @ Q / len(Q), within_scatter(Q, Y) if scatter != "total" else None
    s = total if within is None else within
    if scatter == "both" and within is not None:
        s = within / np.trace(within) + total / np.trace(total)
    w = power(s, shrinkage, -0.5)
    if rank is None or rank == len(w):
        return w
    z = unit(Q @ w)
    return np.linalg.eigh(z.T @ z)[1][:, ::-1][:, :rank].T @ w


# XL: votes of the nearest training queries.
def seeded_sample(n, size, seed=0):
    """The `size` rows of n whose numbers hash lowest (SplitMix64 of seed and row), in ascending order."""
    z = np.uint64(seed) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.sort(np.argsort(z ^ (z >> np.uint64(31)), kind="stable")[:size])


def hubness(Q, near=10, sample_size=4096, seed=0):
    """r_i: the mean similarity of q_i to its nearest others among the sampled training queries."""
    sample = seeded_sample(len(Q), sample_size, seed)
    s = Q @ Q[sample].T
    s[sample, np.arange(len(sample))] = -np.inf
    near = min(near, len(sample) - 1)
    return np.partition(s, -near, 1)[:, -near:].mean(1)


def votes(X, Q, Y, k, gate="softmax", tau=0.05, r=None, beta=0.0, gamma=0.3, h=0.125):
    """Σ over the k nearest of w_i s_i Y_ij; with the gate `local`, of w_i Y_ij."""
    s = X @ Q.T
    rank_by = s - (beta * r if r is not None else 0)
    near = np.argsort(-rank_by, 1, kind="stable")[:, :k]
    s, by = np.take_along_axis(s, near, 1), np.take_along_axis(rank_by, near, 1).astype(float)
    if gate == "softmax":
        w = np.exp((by - by[:, :1]) / tau)
        w /= w.sum(1, keepdims=True)
    elif gate == "local":
        v = Q[near]
        kernel = np.exp((v @ v.transpose(0, 2, 1) - 1) / h) + gamma * np.eye(near.shape[1])
        w = np.linalg.solve(kernel, np.exp((by - 1) / h)[:, :, None])[:, :, 0]
        w /= np.abs(w).sum(1, keepdims=True)
        s = 1
    else:
        w = np.full(s.shape, 1 / s.shape[1] if gate == "mean" else 1.0)
    w = w * s
    return np.stack([w[t] @ Y[near[t]] for t in range(len(X))])


def balanced(Q, R, rank, shrinkage=0.01):
    """A, B [rank x d] and the mean row of R, which are p̃: ⟨A x, B (r − mean)⟩ is ⟨x, r − mean⟩ at full rank."""
    mean = R.mean(0)
    sq, sp = Q.T @ Q / len(Q), (R - mean).T @ (R - mean) / len(R)
    u, d, vt = np.linalg.svd(power(sq, shrinkage, 0.5) @ power(sp, shrinkage, 0.5))
    root = np.sqrt(d[:rank, None])
    return root * u.T[:rank] @ power(sq, shrinkage, -0.5), root * vt[:rank] @ power(sp, shrinkage, -0.5), mean


def recall(scores, truth, at):
    """Hits among the k best over the number of relevant passages; the mean over queries that have any. In percent."""
    order = np.argsort(-scores, 1, kind="stable")[:, : max(at)]
    hits = np.take_along_axis(truth > 0, order, 1)
    count, asked = (truth > 0).sum(1), (truth > 0).any(1)
    return [100 * (hits[:, :k].sum(1)[asked] / count[asked]).mean() for k in at]


def rows(P, Q, Y, X):
    """The scores [t x m] of every setting that the documentation tabulates, by name."""
    P, Q, Y, X = (np.asarray(a, dtype=float) for a in (P, Q, Y, X))
    erm = X @ P.T
    yield "erm", erm
    yield "xs paper l.5", X @ fold(P, correlation(Q, Y), 0.5).T
    for gate in ("mean", "sum", "softmax"):
        yield f"xl {gate} k16 l.1", 0.1 * erm + 0.9 * votes(X, Q, Y, 16, gate)
    solved = least_squares(P, Q, Y, 0.3)
    yield "A", X @ fold(P, solved, 0.1).T
    for b in (0.0, 0.3, 1.0):
        yield f"A' b{b}", X @ fold(P, least_squares(P, Q, Y, 0.1, b), 0.1).T
    w = whitening(Q, Y, "within", 1.0)
    p, q, x = unit(P @ w.T), unit(Q @ w.T), unit(X @ w.T)
    r, e = hubness(q), x @ p.T
    b, c, d = votes(x, q, Y, 32), votes(x, q, Y, 32, r=r, beta=0.5), votes(x, q, Y, 32, "local", r=r, beta=0.5)
    for name, v in (("B", b), ("C", c), ("D", d)):
        yield name, 0.1 * e + 0.9 * v
    yield "E", 0.05 * erm + 0.3 * X @ solved.T + 0.65 * c
    yield "F", 0.05 * erm + 0.3 * X @ solved.T + 0.65 * d
    w = whitening(Q, Y, "total", 0.3)
    p, q, x = unit(P @ w.T), unit(Q @ w.T), unit(X @ w.T)
    yield "B total .3", 0.1 * x @ p.T + 0.9 * votes(x, q, Y, 32)
    folded = fold(P, least_squares(P, Q, Y, 0.1, 0.3), 0.1)
    for share in (1, 2):
        A, B, mean = balanced(Q, folded, len(w) // share)
        yield f"balanced 1/{share}", (X @ A.T) @ ((folded - mean) @ B.T).T


# Data.
def small_problem(m=60, n=200, d=16, t=8):
    """P, Q, Y, X without a random library, so that the C++ tests make the same (tests/adapter/small_problem.hpp)."""
    def noise(stream, count):
        k = (np.arange(count * d, dtype=np.uint64) + np.uint64(stream << 20)) & np.uint64(0xFFFFFFFF)
        for _ in range(2):
            k = ((k ^ (k >> np.uint64(16))) * np.uint64(0x45D9F3B)) & np.uint64(0xFFFFFFFF)
        k ^= k >> np.uint64(16)
        return ((k >> np.uint64(8)).astype(float) / 2**23 - 1).reshape(count, d)

    P = unit(noise(1, m)).astype("f")
    near = lambda stream, count: unit(P[np.arange(count) * 7 % 45] + noise(stream, count)).astype("f")
    Y = np.zeros((n, m))
    for i in range(n):
        Y[i, i * 7 % 45] = 1
        if i % 3 == 0:
            Y[i, i * 11 % 50] = 2  # passages 50 to 59 have no query
    return P, near(2, n), Y, near(3, t)


def read_pairs(path, shape):
    y = np.zeros(shape, "f")
    for line in open(path):
        query, passage, *weight = line.split()
        y[int(query), int(passage)] += float(weight[0]) if weight else 1
    return y


def read_set(vectors, pairs):
    def matrix(name):
        x = np.load(os.path.join(vectors, name + ".npy")).astype("f")
        scales = os.path.join(vectors, name + ".scales.npy")
        return x * np.load(scales).reshape(-1, 1) if os.path.exists(scales) else x

    P, Q, X = (matrix(name) for name in ("passages", "train_queries", "test_queries"))
    return (P, Q, read_pairs(os.path.join(pairs, "train_relevance.tsv"), (len(Q), len(P))), X,
            read_pairs(os.path.join(pairs, "test_relevance.tsv"), (len(X), len(P))))


def data_sets(shared):
    """(name, vectors, pairs) of BANKING77 and of the WordNet slice, for the encoders there are."""
    banking, slice_ = os.path.join(shared, "banking77"), os.path.join(HERE, "../../examples/data")
    yield "use wordnet_slice", slice_, slice_
    yield "use banking77", banking, banking
    for encoder in ("minilm", "mpnet", "e5"):
        for name, pairs in (("wordnet_slice", slice_), ("banking77", banking)):
            yield f"{encoder} {name}", os.path.join(shared, "encoders", encoder, name), pairs


def write_expected():
    P, Q, Y, X = small_problem()
    P, Q, X = (a.astype(float) for a in (P, Q, X))
    folded = fold(P, least_squares(P, Q, Y, 0.1, 0.3), 0.1)
    A, B, mean = balanced(Q, folded, 8)
    space = {"within": whitening(Q, Y), "total": whitening(Q, Y, "total", 0.3), "both": whitening(Q, Y, "both", 0.5),
             "rank5": whitening(Q, Y, rank=5)}
    q, x = unit(Q @ space["within"].T), unit(X @ space["within"].T)
    expected = {
        "passages": P[:2], "queries": Q[:2], "tests": X[:2], "pairs": np.argwhere(Y)[:6],
        "correlation": correlation(Q, Y)[::9],
        "least_squares": least_squares(P, Q, Y, 0.3)[::9],
        "least_squares_b": least_squares(P, Q, Y, 0.1, 0.3)[::9],
        "within_scatter": within_scatter(Q, Y),
        "whitened": {name: unit(X @ w.T)[:4] @ unit(Q @ w.T)[::20].T for name, w in space.items()},
        "balanced_scores": (X[:4] @ A.T) @ ((folded - mean) @ B.T)[::9].T,
        "sample": seeded_sample(200, 50, 7),
        "hubness": hubness(q)[::5],
        "hubness_of_sample": hubness(q, 4, 50, 7)[::5],
        "local_votes": votes(x, q, Y, 32, "local", r=hubness(q), beta=0.5)[0],
        "rows": {name: scores[:2] for name, scores in rows(P, Q, Y, X)},
    }
    def plain(value):
        return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value.round(7).tolist()

    expected = plain(expected)
    with open(os.path.join(HERE, "expected", "small.json"), "w") as out:
        out.write("{\n" + ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in expected.items()) + "\n}\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["expected"]:
        write_expected()
    elif len(sys.argv) >= 3 and sys.argv[1] == "table":
        for name, vectors, pairs in data_sets(sys.argv[2]):
            if len(sys.argv) > 3 and sys.argv[3] not in name:
                continue
            P, Q, Y, X, truth = read_set(vectors, pairs)
            for row, scores in rows(P, Q, Y, X):
                figures = " / ".join(f"{r:5.1f}" for r in recall(scores, truth, (1, 10, 100)))
                print(f"{name:22} {row:18} {figures}", flush=True)
    else:
        sys.exit(__doc__)
