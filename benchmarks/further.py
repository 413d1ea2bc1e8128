#!/usr/bin/env python3
"""One step further than the fits the library has: what was tried beside them, dense and exact, and what it gave.

    benchmarks/further.py DATA_DIR [SET]     DATA_DIR as tests/reference/reference.py table takes it

A row is a change of the one above it that is marked with *; a cell the recall in percent and, in brackets, what the
change adds, with a ! where the paired difference is above twice its standard error. The columns: Recall@10 of the
WordNet slice, Recall@1 of BANKING77, for each encoder. NumPy and the reference of the tests."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/reference"))
from reference import (correlation, data_sets, fold, hubness, least_squares, read_set, unit, votes,  # noqa: E402
                       whitening, within_scatter)


def per_query(scores, truth, k):
    """The recall of each query that has a relevant passage."""
    order = np.argsort(-scores, 1, kind="stable")[:, :k]
    asked = (truth > 0).any(1)
    return (np.take_along_axis(truth > 0, order, 1).sum(1) / np.maximum((truth > 0).sum(1), 1))[asked]


def left_out(P, Q, Y, shrinkage, b, k):
    """Recall@k of the training queries by least squares, each asked as if it had never come: in closed form, as the
    moment without q_i is M − q_i·q_iᵀ/n (Sherman & Morrison, 1950)."""
    n, lam = len(Q), 0.1
    a = (Q.T @ Q + b * P.T @ P) / n
    inverse = np.linalg.inv(a + shrinkage * np.trace(a) / len(a) * np.eye(len(a)))
    sums = Y.T @ Q + b * P
    C = sums @ inverse
    norms = np.linalg.norm(C, axis=1)
    own = inverse @ Q.T  # M⁻¹ q_i, a column each
    h = (Q * own.T).sum(1) / n
    values = []
    for begin in range(0, n, 500):
        i = np.arange(begin, min(begin + 500, n))
        along = (Q[i] @ C.T) / (1 - h[i])[:, None]  # ⟨q_i, M₋ᵢ⁻¹ a_j⟩, of passages that q_i is not a query of
        # ‖M₋ᵢ⁻¹ a_j‖² by the same update
        t = (Q[i] @ C.T) / n / (1 - h[i])[:, None]
        squares = norms**2 + 2 * t * (own[:, i].T @ C.T) + t**2 * (own[:, i]**2).sum(0)[:, None]
        scores = along / np.sqrt(np.maximum(squares, 1e-30))
        for row, q in enumerate(i):
            for j in np.flatnonzero(Y[q]):
                rest = sums[j] - Y[q, j] * Q[q]
                c = inverse @ rest
                c += own[:, q] * (Q[q] @ c) / n / (1 - h[q])
                length = np.linalg.norm(c)
                scores[row, j] = Q[q] @ c / length if length > 1e-12 else Q[q] @ P[j]
        values.append(per_query(lam * Q[i] @ P.T + (1 - lam) * scores, Y[i], k))
    return np.concatenate(values).mean()


def ridge_map(P, Q, Y, shrinkage=0.1):
    """Π(G·p_j), G the ridge regression of the passages' queries on the passages."""
    warm = (Y > 0).any(0)
    x, y = P[warm], unit(Y.T @ Q)[warm]
    s = x.T @ x
    return unit(P @ np.linalg.solve(s + shrinkage * np.trace(s) / len(s) * np.eye(len(s)), x.T @ y))


def nudged(P, C, gamma, on_sphere):
    """NUDGE-M: p_j moved by γ towards its queries; NUDGE-N: along the sphere, ‖p̃_j − p_j‖ at most γ (Zeighami,
    Wellmer, Parameswaran, ICLR 2025)."""
    if not on_sphere:
        return P + gamma * C
    cosine, nearest = (P * C).sum(1, keepdims=True), 1 - gamma**2 / 2
    side = unit(C - cosine * P)
    turned = nearest * P + np.sqrt(max(0.0, 1 - nearest**2)) * side
    return np.where(~C.any(1, keepdims=True), P, np.where(cosine >= nearest, C, turned))


def best_gamma(P, Q, Y, on_sphere, k):
    """By a fifth of the training queries, held out."""
    held = np.arange(len(Q)) % 5 == 0
    C = correlation(Q[~held], Y[~held])
    return max((0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4),
               key=lambda g: per_query(Q[held] @ nudged(P, C, g, on_sphere).T, Y[held], k).mean())


def by_mass(x, q, Y, r, share, most=128, tau=0.05, beta=0.5):
    """Votes of as many neighbours as hold this share of the softmax over the 128 nearest."""
    s = x @ q.T
    by = s - beta * r
    near = np.argsort(-by, 1, kind="stable")[:, :most]
    s, by = np.take_along_axis(s, near, 1), np.take_along_axis(by, near, 1)
    w = np.exp((by - by[:, :1]) / tau)
    w /= w.sum(1, keepdims=True)
    w = np.where(np.cumsum(w, 1) - w < share, w, 0)
    w *= s / w.sum(1, keepdims=True)
    return np.stack([w[t] @ Y[near[t]] for t in range(len(x))])


def settings(P, Q, Y, X, k):
    """(name, scores); those that the following ones change are marked."""
    erm = X @ P.T
    yield "* plain model", erm
    yield "through a ridge map from passages to queries", X @ ridge_map(P, Q, Y).T
    C = correlation(Q, Y)
    yield "* XS, the paper's, λ .5", X @ fold(P, C, 0.5).T
    for name, on_sphere in (("NUDGE-M, γ by validation", False), ("NUDGE-N, γ by validation", True)):
        yield name, X @ nudged(P, C, best_gamma(P, Q, Y, on_sphere, k), on_sphere).T
    folded = fold(P, least_squares(P, Q, Y, 0.1, 0.3), 0.1)
    yield "* least-squares XS, α .1, b .3, λ .1", X @ folded.T
    yield "p̃ renormalised", X @ unit(folded).T
    alpha, b = max(((alpha, b) for alpha in (0.03, 0.1, 0.3, 1.0) for b in (0.0, 0.3, 1.0)),
                   key=lambda pair: left_out(P, Q, Y, *pair, k))
    yield "α and b by leave-one-out in closed form", X @ fold(P, least_squares(P, Q, Y, alpha, b), 0.1).T
    few = np.arange(len(Q)) % 4 == 0
    solved = unit(least_squares(P, Q[few], Y[few], 0.1, 0.3))
    yield "* the same with a quarter of the training queries", X @ fold(P, solved, 0.1).T
    cold = ~(Y[few] > 0).any(0)[:, None]
    yield "cold passages by the ridge map", X @ fold(P, np.where(cold, ridge_map(P, Q[few], Y[few]), solved), 0.1).T

    solved = least_squares(P, Q, Y, 0.3, 0.3)
    w = whitening(Q, Y, "within", 1.0)
    p, q, x = (unit(rows @ w.T) for rows in (P, Q, X))
    r = hubness(q)
    blend = lambda e, v: 0.05 * e + 0.3 * X @ solved.T + 0.65 * v
    yield "* XL over XS: E, with b .3", blend(erm, votes(x, q, Y, 32, r=r, beta=0.5))
    yield "the plain model's part whitened", blend(x @ p.T, votes(x, q, Y, 32, r=r, beta=0.5))
    yield "k by mass: .9 of the softmax", blend(erm, by_mass(x, q, Y, r, 0.9))
    yield "k by mass: .99", blend(erm, by_mass(x, q, Y, r, 0.99))
    within = within_scatter(Q, Y)
    both = (Q.T @ Q + P.T @ P) / (len(Q) + len(P))
    for name, s in (("whitened by Q and P together", both), ("by the scatter within, and P", None)):
        if s is None:
            s = within / np.trace(within) + P.T @ P / (P * P).sum()
        root = np.linalg.cholesky(np.linalg.inv(s + np.trace(s) / len(s) * np.eye(len(s)))).T
        q, x = unit(Q @ root.T), unit(X @ root.T)
        yield name, blend(erm, votes(x, q, Y, 32, r=hubness(q), beta=0.5))


def main():
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    names, table = [], {}
    for name, vectors, pairs in data_sets(sys.argv[1]):
        if wanted not in name or not os.path.exists(os.path.join(vectors, "passages.npy")):
            continue
        P, Q, Y, X, truth = (np.asarray(a, dtype=float) for a in read_set(vectors, pairs))
        k = 1 if "banking" in name else 10
        names.append(name)
        base = None
        for setting, scores in settings(P, Q, Y, X, k):
            values = per_query(scores, truth, k)
            cell = f"{100 * values.mean():.1f}"
            if setting.startswith("*"):
                base = values
            else:
                gain = values - base
                sure = abs(gain.mean()) > 2 * gain.std(ddof=1) / np.sqrt(len(gain))
                cell += f" ({100 * gain.mean():+.1f}{'!' if sure else ''})"
            table.setdefault(setting, []).append(cell)
        print(name, file=sys.stderr)
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for setting, cells in table.items():
        bold = "**" if setting.startswith("*") else ""
        print(f"| {bold}{setting.lstrip('* ')}{bold} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
