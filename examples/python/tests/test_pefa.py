import gc
import os
import re
import signal
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pefa
import pytest
import scipy.sparse as sparse

DATA = Path(__file__).parents[2] / "data"


def vectors(name):
    return np.load(DATA / f"{name}.npy") * np.load(DATA / f"{name}.scales.npy")[:, None]


def relevance(name, n_queries):
    pairs = np.loadtxt(DATA / f"{name}_relevance.tsv", dtype=int)
    return sparse.csr_array((np.ones(len(pairs)), pairs.T), shape=(n_queries, len(P)))


P, Q, X = vectors("passages"), vectors("train_queries"), vectors("test_queries")
Y, Z = relevance("train", len(Q)), relevance("test", len(X))
XS = pefa.build(P, Q, Y, method="xs", lambda_=0.5, cold="paper", rule="correlation")


def assert_ranks(found, scores, k):
    rows, values = found
    assert rows.dtype == np.int64 and values.dtype == np.float32 and rows.shape == values.shape == (len(scores), k)
    np.testing.assert_allclose(values, -np.sort(-scores, 1)[:, :k], atol=2e-6)
    np.testing.assert_allclose(values, np.take_along_axis(scores, rows, 1), atol=2e-6)


def test_the_version_is_the_librarys():
    header = (DATA.parents[1] / "include/pefa/version.hpp").read_text()
    assert version("pefa") == ".".join(re.findall(r"VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))


def test_what_cannot_be_is_refused_before_the_build():
    with pytest.raises(ValueError, match="3 ids, expected one for each"):
        pefa.build(P, method="erm", ids=["a", "b", "c"])


def test_answers_are_numpys():
    assert_ranks(pefa.build(P, method="erm").search(X[:50], 20), X[:50] @ P.T, 20)
    C = Y.T @ Q
    C /= np.maximum(np.linalg.norm(C, axis=1, keepdims=True), 1e-30)
    assert_ranks(XS.search(X, 10), X @ (0.5 * P + 0.5 * C).T, 10)
    near = X @ Q.T
    near[near < -np.sort(-near, 1)[:, 15:16]] = 0  # the mean of 16
    xl = pefa.build(P, Q, Y, gate="mean", neighbors=16, lambda_=0.1, fold=1, whitened="none", hubness=0)
    assert_ranks(xl.search(X, 10), 0.1 * X @ P.T + 0.9 * (near / 16) @ Y, 10)
    told = xl.explain(X[0], xl.search(X[0], 1)[0][0])
    assert told.score == pytest.approx(told.erm + sum(voter["contribution"] for voter in told.voters), abs=1e-6)


def test_figures_are_the_commands():  # those that examples/run.sh prints
    metrics = pefa.evaluate(XS, X, Z)
    assert [100 * metrics[f"recall@{at}"][0] for at in (1, 10, 100)] == pytest.approx([8.9, 23.0, 49.5], abs=0.15)


def test_tune_gives_a_spec_to_build():
    report = pefa.tune(P, Q, Y, "ndcg@5", max_queries=100)
    spec = pefa.build(P, Q, Y, spec=report.pick).spec
    assert all(spec[key] == report.pick[key] for key in ("method", "lambda", "neighbors")) and report.gain[0] > 0


def test_inputs_of_every_kind_give_the_same():
    expected = XS.search(X, 10)
    coo = Y.tocoo()
    twice = [np.concatenate([a, a]) for a in (coo.row, coo.col, coo.data / 2)]
    for y in (sparse.csr_matrix(Y), Y.tocsc(), Y.tolil(), coo.astype(bool), twice, (coo.row.astype("u4"), coo.col)):
        for p in (P, np.asfortranarray(P, float), np.repeat(P, 2, 0)[::2]):
            found = pefa.build(p, Q, y, spec=XS.spec).search(list(X), 10)
            assert (found[0] == expected[0]).all() and (found[1] == expected[1]).all()
    assert (XS.search(X[0], 3)[0] == expected[0][0, :3]).all()
    few, scores = pefa.build(P[:3], method="erm").search(X[:2], 5)
    assert (few[:, 3:] == -1).all() and (scores[:, 3:] == -np.inf).all() and (few[:, :3] >= 0).all()


def test_archives(tmp_path):
    path = tmp_path / "x.pefa"
    pefa.build(P, Q, Y, spec=XS.spec, ids=range(100, 100 + len(P))).save(path)
    opened = pefa.open(path, verify=True)
    assert opened.ids[:2] == ["100", "101"] and XS.ids is None and opened.spec == XS.spec
    assert (opened.passage_count, opened.dim) == P.shape
    assert (opened.search(X, 5)[0] == XS.search(X, 5)[0]).all()
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(pefa.FormatError, match="x.pefa"):
        pefa.open(path)
    with pytest.raises(OSError, match="none.pefa"):
        pefa.open(tmp_path / "none.pefa")


def test_conditions_and_rows_filter(tmp_path):
    price, lang = np.arange(len(P)) % 50, [("en", "fr")[: 1 + i % 2] if i % 3 else None for i in range(len(P))]
    era = ["old" if i % 2 else "new" for i in range(len(Q))]
    xl = pefa.build(P, Q, Y, spec={"method": "xl"}, tags={"price": price, "lang": lang}, query_tags={"era": era})
    xl.save(tmp_path / "tagged.pefa")
    cheap = np.flatnonzero((price <= 5) & [bool(each) and "fr" in each for each in lang])
    for retriever in (xl, pefa.open(tmp_path / "tagged.pefa")):
        found = retriever.search(X[:50], 10, where="lang=fr & price<=5")
        assert np.isin(found[0], cheap).all()
        for among in (cheap, np.isin(np.arange(len(P)), cheap)):
            assert (retriever.search(X[:50], 10, among=among)[0] == found[0]).all()
        assert (retriever.search(X[0], 10, where="lang=fr", among=np.flatnonzero(price <= 5))[0] == found[0][0]).all()
    assert (xl.search(X[:50], among=np.arange(3))[0][:, 3:] == -1).all()
    assert (xl.search(X[:50], train_where="era=old")[0] != xl.search(X[:50])[0]).any()
    with pytest.raises(ValueError, match="colour"):
        xl.search(X, where="colour=red")
    with pytest.raises(ValueError, match="among is int64 of shape"):
        xl.search(X, among=[len(P)])
    with pytest.raises(ValueError, match=r"tags\['a'\] has 1 rows, expected 2717"):
        pefa.build(P, method="erm", tags={"a": [1]})


ERRORS = [
    (lambda: pefa.build(P, Q[1:], Y), ValueError, r"Y is csr_array of shape \(5234, 2717\), expected .*\(5233, 2717\)"),
    (lambda: pefa.build(P, Q, ([0], [-1])), ValueError, "int64 -1 to -1, expected rows from 0 to 2716"),
    (lambda: pefa.build(P, Q, ([0.5], [1])), ValueError, "float64 0.5 to 0.5"),
    (lambda: pefa.build(P, Q, Y.todense()), ValueError, "Y is ndarray"),
    (lambda: pefa.build(P, Q), ValueError, "Y is NoneType"),
    (lambda: pefa.build(P), ValueError, "training queries"),
    (lambda: pefa.build(P.astype(int), method="erm"), ValueError, "P is int64"),
    (lambda: pefa.build(P * np.nan, method="erm"), ValueError, "row 0"),
    (lambda: pefa.build(P, Q, Y, lamda=1), TypeError, "lamda"),
    (lambda: pefa.build(P, Q, Y, lambda_=2), ValueError, "lambda is 2"),
    (lambda: pefa.build(P, Q, Y, gate="none"), ValueError, "softmax"),
    (lambda: pefa.tune(P, Q, Y, "recall"), ValueError, "cut-off"),
    (lambda: XS.search(X, 0), ValueError, "k is 0"),
    (lambda: XS.search(X[:, 1:]), ValueError, "511"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_errors_say_what_is_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("copy", [False, True])
def test_borrowed_arrays_live_as_long_as_they_are_read(copy):
    passages = P.copy()
    lives = weakref.ref(passages)
    retriever = pefa.build(passages, method="erm", index="flat", copy=copy)
    expected = retriever.search(X)[0]
    del passages
    gc.collect()
    assert (lives() is None) == copy and (retriever.search(X)[0] == expected).all()
    del retriever
    assert lives() is None


def test_threads_search_at_once():
    with ThreadPoolExecutor(4) as pool:
        assert all((found == XS.search(X, 10)[0]).all() for found in pool.map(lambda _: XS.search(X, 10)[0], range(8)))


def test_a_build_leaves_the_gil_and_ends_on_ctrl_c():
    def interrupt():  # can only end its naps where the GIL is free
        for _ in range(20):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without one
    many = np.random.default_rng(1).standard_normal((100_000, 64), np.float32)  # a minute of building
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        pefa.build(many, method="erm", index="hnsw")
