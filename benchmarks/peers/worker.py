"""Builds one index and answers requests about it: a line of JSON in, a line out. compare.py starts one for each setting,
in the environment of its library."""
import importlib.metadata
import json
import os
import resource
import sys
import tempfile
import time

import numpy as np

import drivers


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def found_share(found, exact):
    """The share of the exact rows [n x k] that were found."""
    return float(np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in zip(found, exact)]))


class Worker:
    def __init__(self, scratch):
        self.scratch = scratch

    def make(self, request, rows):
        arguments = dict(request["build"])
        kind = getattr(drivers, request["driver"])
        if "folder" in kind.__init__.__code__.co_varnames[: kind.__init__.__code__.co_argcount]:
            arguments["folder"] = tempfile.mkdtemp(dir=self.scratch)
        return kind(rows, **arguments)

    def overhead(self, request):
        """Microseconds of a search where there is next to nothing to search: 1,000 rows of 64 dimensions, k = 1."""
        rows = np.random.default_rng(0).standard_normal((1000, 64)).astype("f")
        rows /= np.sqrt((rows * rows).sum(1, keepdims=True))
        driver = self.make(request, rows)
        driver.tune(1, **request["search"])
        times = []
        for query in np.tile(rows, (3, 1)):
            start = time.perf_counter()
            driver.search(query)
            times.append(time.perf_counter() - start)
        answer = {"call_us": 1e6 * float(np.median(times))}
        if driver.batch:
            times = []
            for _ in range(5):
                start = time.perf_counter()
                driver.batch(rows)
                times.append(time.perf_counter() - start)
            answer["batch_us"] = 1e6 * float(np.median(times)) / len(rows)
        return answer

    def build(self, request):
        rows = np.load(os.path.join(request["rows"], "passages.npy"))
        self.queries = np.load(os.path.join(request["rows"], "queries.npy"))[: request["queries"]]
        self.exact = np.load(os.path.join(request["rows"], "exact.npy"))[: request["queries"]]
        cpu, start = cpu_seconds(), time.perf_counter()
        self.driver = self.make(request, rows)
        answer = {"build_seconds": time.perf_counter() - start, "build_cpu_seconds": cpu_seconds() - cpu}
        answer["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer["version"] = importlib.metadata.version(request["package"])
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            self.driver.save(folder)
            saved = sum(os.path.getsize(os.path.join(at, f)) for at, _, files in os.walk(folder) for f in files)
            answer["bytes"] = self.driver.bytes(saved)
        return answer

    def search(self, request):
        """One pass over the queries: milliseconds a query by the clock and by the processor; and what was found."""
        self.driver.tune(request["k"], **request["search"])
        if request["batch"] and not self.driver.batch:
            return {}
        for query in self.queries[:20]:
            self.driver.search(query)
        n, cpu = len(self.queries), cpu_seconds()
        if request["batch"]:
            start = time.perf_counter()
            found = self.driver.batch(self.queries)
            seconds = [(time.perf_counter() - start) / n] * n
        else:
            found, seconds = [], []
            for query in self.queries:
                start = time.perf_counter()
                rows = self.driver.search(query)
                seconds.append(time.perf_counter() - start)
                found.append(rows)
        answer = {"ms": 1e3 * float(np.mean(seconds)), "cpu_ms": 1e3 * (cpu_seconds() - cpu) / n,
                  "p99_ms": 1e3 * float(np.percentile(seconds, 99))}
        if request["recall"]:
            answer["recall"] = found_share(found, self.exact[:, : request["k"]])
        return answer


if __name__ == "__main__":
    # Some libraries print; their lines go to standard error, so that standard output has answers alone.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as scratch:
        worker = Worker(scratch)
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = getattr(worker, request["do"])(request)
            except Exception as error:  # a library may raise anything; whoever asked hears of it
                answer = {"failed": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=out, flush=True)
