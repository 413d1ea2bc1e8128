"""Tables of what compare.py measured: every setting against hnswlib beside it, where it is ahead of pefa or behind it in
all three of milliseconds, build and bytes, and with --fronts the Pareto front of every rival.

    table.py RESULTS.json [--fronts] [--clock cpu] [--points POINTS.json]     POINTS.json: for plot/draw.sh peers
"""
import argparse
import json

TARGETS = {"100": (0.95, 0.99, 0.995), "10": (0.9, 0.95, 0.99)}
DECISIVE = ("100", 0.99)


def front(points, clock):
    """The points that no other beats in both recall and time, by rising recall."""
    best = []
    for point in sorted(points, key=lambda p: (-p["recall"], p[clock])):
        if not best or point[clock] < best[-1][clock]:
            best.append(point)
    return best[::-1]


def ms_at(points, target, clock):
    """(ms, whether it is exact) at a recall, on the line between two points of the front. Where the fastest point
    already finds more, its time is an upper bound. None where no point finds as many."""
    below = None
    for point in front(points, clock):
        if point["recall"] >= target:
            if below is None:
                return point[clock], point["recall"] == target
            share = (target - below["recall"]) / (point["recall"] - below["recall"])
            return below[clock] + share * (point[clock] - below[clock]), True
        below = point
    return None


def told(found, digits=3):
    if found is None:
        return "–"
    value, exact = found
    return f"{'' if exact else '≤'}{value:.{digits}f}"


def speed(entry, hnswlib, k, target, clock):
    """hnswlib's time beside it over its own; None where one of them does not get there, or both only bound it."""
    own, theirs = ms_at(entry["curves"].get(k, []), target, clock), ms_at(entry["beside"][hnswlib][k], target, clock)
    if own is None or theirs is None or not (own[1] or theirs[1]):
        return None
    return theirs[0] / own[0], own[1] and theirs[1]


def build_key(clock):
    return "build_seconds" if clock == "ms" else "build_cpu_seconds"


def rows(entries, hnswlib, clock):
    base = entries[hnswlib]
    yield ["", "build s", "of hnswlib's", "all MiB", "of hnswlib's"] + [
        f"{what} at R@{k} {' / '.join(f'{t:g}' for t in ts)}" for k, ts in TARGETS.items()
        for what in ("ms", "speed", "batch ms")]
    for key, entry in entries.items():
        build = build_key(clock)
        cells = [f"{entry['rival']} {entry['version']}: {entry['label']}", f"{entry[build]:.1f}",
                 f"{entry[build] / base[build]:.2f}", f"{entry['bytes'] / 2**20:.1f}",
                 f"{entry['bytes'] / base['bytes']:.2f}"]
        for k, targets in TARGETS.items():
            singles = [ms_at(entry["curves"][k], t, clock) for t in targets]
            batches = [ms_at(entry["curves"].get(k + " batch", []), t, clock) for t in targets]
            speeds = [speed(entry, hnswlib, k, t, clock) for t in targets]
            cells += [" / ".join(map(told, singles)),
                      " / ".join("–" if s is None else f"{'' if s[1] else '~'}{s[0]:.2f}" for s in speeds),
                      " / ".join(map(told, batches))]
        yield cells


def place(entry, clock):
    """(ms, build, bytes) at the decisive recall; None where it is not reached."""
    k, target = DECISIVE
    found = ms_at(entry["curves"][k], target, clock)
    return found and (found[0], entry[build_key(clock)], entry["bytes"])


def print_places(entries, clock):
    """Against pefa: what each rival's setting is ahead in, and who of pefa is ahead in all."""
    ours = {e["label"]: at for e in entries.values() if e["rival"] == "pefa" and (at := place(e, clock))}
    if not ours:
        return
    print(f"\nAt R@{DECISIVE[0]} = {DECISIVE[1]}, against pefa ({', '.join(ours)}) in ms, build and bytes:\n")
    for entry in entries.values():
        at = place(entry, clock)
        if entry["rival"] == "pefa" or at is None:
            continue
        ahead = [name for name, value, *theirs in zip(("ms", "build", "bytes"), at, *ours.values())
                 if all(value < their for their in theirs)]
        beaten = [label for label, their in ours.items() if all(t <= value for t, value in zip(their, at))]
        what = f"ahead in {', '.join(ahead)}" if ahead else "ahead in nothing"
        print(f"- {entry['rival']}, {entry['label']}: {what}" + (f"; behind {' and '.join(beaten)} in all" if beaten else ""))


def print_fronts(entries, clock):
    for k in TARGETS:
        print(f"\nPareto fronts at k = {k}, recall: ms (setting, search)\n")
        for rival in dict.fromkeys(e["rival"] for e in entries.values()):
            points = [{**p, "label": e["label"]} for e in entries.values() if e["rival"] == rival for p in e["curves"][k]]
            print(f"- {rival}: " + "; ".join(
                f"{p['recall']:.4f}: {p[clock]:.3f} ({p['label']}, {', '.join(f'{n} {v}' for n, v in p['search'].items())})"
                for p in front(points, clock)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("--fronts", action="store_true")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: processor time, on a busy machine")
    parser.add_argument("--points")
    asked = parser.parse_args()
    clock = "ms" if asked.clock == "wall" else "cpu_ms"
    results = json.load(open(asked.results))
    about = results["about"]
    print(f"{about['machine']}; {about['rows']:,} rows, {about['queries']} queries, median of {about['rounds']} rounds; "
          f"one thread builds and searches; ms a query by the {'clock' if clock == 'ms' else 'processor'}.\n"
          "*speed*: hnswlib's time, in turn beside it, over its own. ≤: the narrowest search finds more; ~: so of one side.")
    print("\nA call on 1,000 rows of 64 dimensions, k = 1, µs (single, in a batch): " + ", ".join(
        f"{rival} {one['call_us']:.0f}" + (f" ({one['batch_us']:.1f})" if "batch_us" in one else "")
        for rival, one in results["overhead"].items()))
    points = []
    for space in dict.fromkeys(e["space"] for e in results["entries"].values()):
        here = {key: e for key, e in results["entries"].items() if e["space"] == space}
        entries = {key: e for key, e in here.items() if "failed" not in e}
        hnswlib = next((key for key, e in entries.items() if e["rival"] == "hnswlib"), None)
        print(f"\n### {space}\n")
        if hnswlib:
            for number, cells in enumerate(rows(entries, hnswlib, clock)):
                print("| " + " | ".join(cells) + " |" + ("\n" + "|---" * len(cells) + "|" if number == 0 else ""))
            print_places(entries, clock)
            if asked.fronts:
                print_fronts(entries, clock)
        for entry in here.values():
            if "failed" in entry:
                print(f"\nLeft out: {entry['rival']}, {entry['label']}: {entry['failed'][:300]}")
        points += [{"space": space, "k": int(k), "target": target, "rival": e["rival"], "label": e["label"], "ms": at[0],
                    "bytes": e["bytes"], "build_seconds": e["build_seconds"]}
                   for e in entries.values() for k, targets in TARGETS.items() for target in targets
                   if (at := ms_at(e["curves"][k], target, clock))]
    if asked.points:
        json.dump(points, open(asked.points, "w"), indent=1)


if __name__ == "__main__":
    main()
