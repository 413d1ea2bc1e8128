"""What is measured: the indexes of every library, and for each the searches at k = 10 and 100. Small grids around what
the authors advise; n rows of dim dimensions."""
import math

# What pip installs in the environment of each library. hnswlib has no wheel: it is compiled, for this processor.
PACKAGES = {
    "hnswlib": "hnswlib",
    "scann_core": "--only-binary :all: scann-core",
    "scann": "--only-binary :all: scann",
    "faiss": "--only-binary :all: faiss-cpu numpy",
    "rabitqlib": "--only-binary :all: rabitqlib numpy",
    "pyvsag": "--only-binary :all: pyvsag numpy",
    "svs": "--only-binary :all: scalable-vs",
    "usearch": "--only-binary :all: usearch",
    "pecos": "--only-binary :all: --no-deps libpecos numpy==1.26.4 scipy==1.13.1",  # its HNSW needs no PyTorch
    "ngt": "--only-binary :all: ngt numpy",
}

EF = {10: (10, 16, 24, 36, 54, 80, 120, 200), 100: (100, 130, 170, 220, 300, 400, 550, 800)}
LISTS = {10: (2, 4, 8, 12, 20, 32, 50, 80), 100: (4, 8, 16, 24, 40, 64, 100, 160)}


def graph(name="ef", **fixed):
    return {k: [{name: ef, **fixed} for ef in efs] for k, efs in EF.items()}


def lists(limit, name="nprobe", **fixed):
    """Wider and wider, up to the number of lists; what is fixed may be a function of k."""
    ks = {k: {key: value(k) if callable(value) else value for key, value in fixed.items()} for k in LISTS}
    return {k: [{name: p, **ks[k]} for p in sorted({min(p, limit) for p in ps})] for k, ps in LISTS.items()}


def both(*searches):
    return {k: [each for one in searches for each in one[k]] for k in EF}


def settings(n, dim):
    """(rival, environment, driver, label, build, search), hnswlib and pefa first: they run beside all others."""
    root = max(4, round(math.sqrt(n)))
    ivf = max(4, min(4 * root, n // 39))  # faiss wants 39 rows for each list
    hnsw = {"m": 32, "ef_construction": 500}
    yield "hnswlib", "hnswlib", "Hnswlib", "M 32, efC 500", hnsw, graph()
    yield "pefa", "pefa", "Pefa", "quantized", {"index": "quantized", **hnsw}, graph()
    yield "pefa", "pefa", "Pefa", "quantized, no rows", {"index": "quantized", "exact_rows": "drop", **hnsw}, graph()
    yield "pefa", "pefa", "Pefa", "partitioned", {"index": "partitioned"}, graph()
    yield "pefa", "pefa", "Pefa", "partitioned, no rows", {"index": "partitioned", "exact_rows": "drop"}, graph()

    twice = lambda k: 2 * k
    wide = lambda k: 5 * k if k < 100 else 3 * k
    for env in ("scann_core", "scann"):
        for label, per_block, threshold, soar, rescore in (
            ("2-d codes, SOAR, bf16", 2, 0.07, 1.5, "BFLOAT16"),
            ("4-d codes, SOAR, bf16", 4, 0.06, 1.5, "BFLOAT16"),
            ("4-d codes, bf16", 4, 0.06, None, "BFLOAT16"),
            ("2-d codes, T .2, float32", 2, 0.2, None, "FLOAT32"),
        ):
            build = {"leaves": root, "dims_per_block": per_block, "threshold": threshold, "soar": soar,
                     "rescore": rescore}
            search = both(lists(root, "leaves", rescored=twice), lists(root, "leaves", rescored=wide))
            yield env.replace("_", "-"), env, "Scann", f"{root} leaves, {label}", build, search

    def faiss(label, factory, search, **build):
        return "faiss", "faiss", "Faiss", label, {"factory": factory, **build}, search

    probes = both(lists(ivf, refine=2), lists(ivf, refine=4))
    for per_block in (2, 4):
        for refine, name in (("RFlat", "float32"), ("Refine(SQfp16)", "float16")):
            yield faiss(f"IVF{ivf} PQ fast scan {per_block}-d, {name}",
                        f"IVF{ivf},PQ{dim // per_block}x4fs,{refine}", probes)
    for bits in (1, 4):
        yield faiss(f"IVF{ivf} RaBitQ fast scan {bits} bit, float16",
                    f"RR{dim},IVF{ivf},RaBitQfs{bits if bits > 1 else ''},Refine(SQfp16)", probes)
    yield faiss("HNSW32 SQ8, float32", "HNSW32_SQ8,RFlat", graph(refine=1.5), ef_construction=200)

    for bits in (9, 5, 32):
        yield ("RaBitQ library", "rabitqlib", "RabitqIvf", f"IVF{ivf}, {bits} bits", {"clusters": ivf, "bits": bits},
               lists(ivf))
    yield ("RaBitQ library", "rabitqlib", "RabitqHnsw", "HNSW 32, 9 bits", {"m": 32, "ef_construction": 400, "bits": 9},
           graph())
    for degree in (32, 64):
        yield ("SymphonyQG", "rabitqlib", "SymphonyQg", f"degree {degree}", {"degree": degree, "ef_construction": 400},
               graph())
    for codes, rescore in (("sq8", "fp32"), ("sq8_uniform", "fp16"), ("rabitq", "fp32")):
        yield ("VSAG HGraph", "pyvsag", "Vsag", f"{codes} + {rescore}",
               {"degree": 64, "ef_construction": 400, "codes": codes, "rescore": rescore}, graph())
    for codes in ("float16", "lvq4x8", "leanvec"):
        yield ("SVS Vamana", "svs", "Svs", codes, {"degree": 64, "window": 200, "codes": codes}, graph("window"))
    for codes in ("i8", "bf16"):
        yield ("usearch", "usearch", "Usearch", f"{codes}, M 32", {"m": 32, "ef_construction": 200, "codes": codes},
               graph())
    yield "PECOS", "pecos", "Pecos", "M 32, efC 500", hnsw, graph()
    epsilon = {k: [{"epsilon": e} for e in (-0.02, 0.0, 0.01, 0.02, 0.04, 0.07, 0.1)] for k in EF}
    yield ("NGT", "ngt", "Ngt", "ONNG of 100 edges, 10 out, 100 in", {"edges": 100, "outgoing": 10, "incoming": 100},
           epsilon)


if __name__ == "__main__":
    for environment, packages in PACKAGES.items():
        print(environment, packages)
