"""Measures every setting of settings.py on every space of rows.py, each in a process of its own, with hnswlib and pefa
in turn beside it, so that a slow moment of the machine falls on all. What was measured is kept: a second run goes on
where the first one stopped, and tries again what failed.

    compare.py BUILD RESULTS.json [--spaces raw,...] [--rivals faiss,...] [--queries 500] [--rounds 3] [--smoke]
"""
import argparse
import json
import os
import platform
import select
import statistics
import subprocess
import sys

import numpy as np

import settings

HERE = os.path.dirname(os.path.abspath(__file__))
BESIDE = ("hnswlib", "pefa")
LONGEST = 4 * 3600  # seconds that one answer may take


class Failed(Exception):
    def __init__(self, reason, process=None):
        super().__init__(reason)
        self.process = process


class Process:
    """A worker; what it cannot do is Failed, with the reason."""

    number = 0

    def __init__(self, build, environment):
        home = os.path.join(build, "env", environment)
        if os.path.exists(os.path.join(home, "failed")):
            raise Failed("not installed: " + open(os.path.join(home, "failed")).read().strip())
        one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        self.log = os.path.join(build, "log", f"{environment}-{Process.number}.txt")
        Process.number += 1
        with open(self.log, "w") as log:
            command = [os.path.join(home, "bin/python"), os.path.join(HERE, "worker.py"), os.path.join(build, "scratch")]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            text=True, env={**os.environ, **one})

    def ask(self, **request):
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            ready = select.select([self.process.stdout], [], [], LONGEST)[0]
        except BrokenPipeError:
            ready = [self.process.stdout]
        line = self.process.stdout.readline() if ready else None
        if line is None:
            self.end()
            raise Failed(f"no answer in {LONGEST} s", self)
        if not line:
            with open(self.log, errors="replace") as log:
                said = [text for text in map(str.strip, log) if text][-1:]
            raise Failed(" ".join([f"the process ended with {self.process.wait()}.", *said]), self)
        answer = json.loads(line)
        if "failed" in answer:
            raise Failed(answer["failed"], self)
        return answer

    def end(self):
        self.process.kill()
        self.process.wait()


class Setting:
    def __init__(self, number, rival, environment, driver, label, build, search):
        self.number, self.rival, self.environment, self.driver = number, rival, environment, driver
        self.label, self.build, self.search = label, build, search
        packages = settings.PACKAGES.get(environment, "pefa").split()
        self.package = next(p for p in packages if p[0] not in "-:" and "==" not in p and p != "numpy")

    def start(self, build, rows, queries):
        """A process that has built the index, and what that took."""
        process = Process(build, self.environment)
        try:
            return process, process.ask(do="build", driver=self.driver, build=self.build, package=self.package,
                                        rows=rows, queries=queries)
        except Failed:
            process.end()
            raise

    def overhead(self, build):
        """The same library's call on a trivial index."""
        small = all_settings(1000, 64)[self.number]
        process = Process(build, self.environment)
        try:
            return process.ask(do="overhead", driver=small.driver, build=small.build, search=small.search[10][0])
        finally:
            process.end()


def all_settings(n, dim):
    return [Setting(number, *each) for number, each in enumerate(settings.settings(n, dim))]


def measure(subjects, rounds):
    """The curves of every (key, process, searches), in turn: {key: {"10": [point], "10 batch": ...}}."""
    curves = {key: {} for key, _, _ in subjects}
    for k in settings.EF:
        for mode in ("", " batch"):
            passes = {key: [[] for _ in searches[k]] for key, _, searches in subjects}
            for number in range(max(len(searches[k]) for _, _, searches in subjects)):
                for turn in range(rounds):
                    for key, process, searches in subjects:
                        at = number % len(searches[k])
                        taken = passes[key][at]
                        taken.append(process.ask(do="search", k=k, search=searches[k][at], batch=bool(mode),
                                                 recall=not taken))
            for key, _, searches in subjects:
                points = [{"search": search, "recall": taken[0]["recall"],
                           **{unit: statistics.median(one[unit] for one in taken) for unit in ("ms", "cpu_ms", "p99_ms")}}
                          for search, taken in zip(searches[k], passes[key]) if taken[0]]
                if points:
                    curves[key][f"{k}{mode}"] = points
    return curves


class Results:
    def __init__(self, path, about):
        self.path = path
        self.json = json.load(open(path)) if os.path.exists(path) else {"about": about, "overhead": {}, "entries": {}}
        if self.json["about"] != about:
            sys.exit(f"{path} was measured otherwise ({self.json['about']}, now {about}); name another file")

    def write(self):
        with open(self.path + ".part", "w") as file:
            json.dump(self.json, file, indent=1)
        os.replace(self.path + ".part", self.path)

    def has(self, key):
        return "failed" not in self.json["entries"].get(key, {"failed": ""})

    def put(self, key, setting, space, **entry):
        self.json["entries"][key] = {"space": space, "rival": setting.rival, "label": setting.label, **entry}
        self.write()
        what = entry.get("failed") or f"built in {entry['build_seconds']:.1f} s, {entry['bytes'] / 2**20:.1f} MiB"
        print(f"{key}: {what}", flush=True)


def compare(space, asked, results):
    rows = os.path.join(asked.build, "rows", space)
    n, dim = np.load(os.path.join(rows, "passages.npy"), mmap_mode="r").shape
    every = all_settings(n, dim)
    if asked.smoke:  # the first setting of each index
        seen = {}
        every = [s for s in every if s.rival in BESIDE or seen.setdefault((s.environment, s.driver), s) is s]
    key = lambda setting: f"{space} / {setting.rival} / {setting.label}"
    todo = [s for s in every if s.rival not in BESIDE and (not asked.rivals or s.rival in asked.rivals)
            and not results.has(key(s))]
    references = [s for s in every if s.rival in BESIDE]
    if not todo and all(results.has(key(s)) for s in references):
        return

    def attempt(setting):
        overheads = results.json["overhead"]
        try:
            made = setting.start(asked.build, rows, asked.queries)
        except Failed as failed:
            return results.put(key(setting), setting, space, failed=str(failed))
        if setting.rival not in overheads:
            try:
                overheads[setting.rival] = setting.overhead(asked.build)
            except Failed as failed:
                print(f"{setting.rival}: its call on a trivial index: {failed}", flush=True)
        return made

    started = [(s, *made) for s in references if (made := attempt(s))]
    beside = [(key(s), process, s.search) for s, process, _ in started]
    try:
        if not all(results.has(key(s)) for s, _, _ in started):
            curves = measure(beside, asked.rounds)
            for s, _, built in started:
                results.put(key(s), s, space, **built, curves=curves[key(s)], beside=curves)
        for setting in todo:
            if not (made := attempt(setting)):
                continue
            process, built = made
            try:
                curves = measure([(key(setting), process, setting.search), *beside], asked.rounds)
                results.put(key(setting), setting, space, **built, curves=curves.pop(key(setting)), beside=curves)
            except Failed as failed:
                if failed.process is not process:
                    sys.exit(f"compare.py: hnswlib or pefa, which run beside {key(setting)}: {failed}")
                results.put(key(setting), setting, space, failed=str(failed))
            finally:
                process.end()
    finally:
        for _, process, _ in beside:
            process.end()


def read(path):
    with open(path) as file:
        return file.read().strip()


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("results")
    parser.add_argument("--spaces", type=lambda names: names.split(","))
    parser.add_argument("--rivals", type=lambda names: names.split(","), default=[])
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    asked = parser.parse_args()
    for name in ("scratch", "log"):
        os.makedirs(os.path.join(asked.build, name), exist_ok=True)
    rows = os.path.join(asked.build, "rows")
    spaces = asked.spaces or read(os.path.join(rows, "spaces")).split()
    sizes = {s: np.load(os.path.join(rows, s, "passages.npy"), mmap_mode="r").shape for s in spaces}
    about = {"machine": f"{processor()}, {os.cpu_count()} hardware threads", "queries": asked.queries,
             "rounds": asked.rounds, "data": read(os.path.join(rows, "made")), "rows": next(iter(sizes.values()))[0]}
    results = Results(asked.results, about)
    for space in spaces:
        compare(space, asked, results)


if __name__ == "__main__":
    main()
