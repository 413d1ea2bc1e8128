"""A class a library: builds an index over rows [n x dim] for inner products, and searches it. Each imports its library
only when it is made, since every library lives in an environment of its own.

    Driver(rows, **build)         builds on one thread; rows are float32 in C order
    tune(k, **search)             sets what the next searches do
    search(query)                 the rows found for one vector, best first
    batch(queries)                the same for a matrix on one thread; None where the library has no such call
    save(folder)                  writes all that a search reads
    bytes(saved)                  what that is in memory, where the files differ from it
"""
import os

import numpy as np


class Driver:
    batch = None

    def bytes(self, saved):
        return saved


class Pefa(Driver):
    def __init__(self, rows, **spec):
        import pefa
        self.index = pefa.build(rows, spec={"method": "erm", **spec}, threads=1)

    def tune(self, k, **search):
        self.k, self.options = k, search

    def search(self, query):
        return self.index.search(query, self.k, threads=1, **self.options)[0]

    batch = search

    def save(self, folder):
        self.index.save(os.path.join(folder, "x.pefa"))


class Hnswlib(Driver):
    def __init__(self, rows, m, ef_construction):
        import hnswlib
        self.index = hnswlib.Index("ip", rows.shape[1])
        self.index.init_index(len(rows), M=m, ef_construction=ef_construction)
        self.index.add_items(rows, num_threads=1)

    def tune(self, k, ef):
        self.k = k
        self.index.set_ef(max(k, ef))

    def search(self, query):
        return self.index.knn_query(query, self.k, num_threads=1)[0][0]

    def batch(self, queries):
        return self.index.knn_query(queries, self.k, num_threads=1)[0]

    def save(self, folder):
        self.index.save_index(os.path.join(folder, "index"))


class Faiss(Driver):
    """Whatever index_factory makes; `refine` is how many more candidates than k are scored again."""

    def __init__(self, rows, factory, ef_construction=None):
        import faiss
        faiss.omp_set_num_threads(1)
        self.faiss = faiss
        self.index = faiss.index_factory(rows.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        if ef_construction:
            faiss.downcast_index(self.index.base_index).hnsw.efConstruction = ef_construction
        self.index.train(rows)
        self.index.add(rows)

    def tune(self, k, refine, ef=None, nprobe=None):
        self.k, faiss = k, self.faiss
        inner = faiss.SearchParametersHNSW(efSearch=ef) if ef else faiss.IVFSearchParameters(nprobe=nprobe)
        base = faiss.downcast_index(self.index.base_index)
        if isinstance(base, faiss.IndexPreTransform):
            inner = faiss.SearchParametersPreTransform(index_params=inner)
        self.options = faiss.IndexRefineSearchParameters(k_factor=refine, base_index_params=inner)

    def search(self, query):
        return self.index.search(query[None], self.k, params=self.options)[1][0]

    def batch(self, queries):
        return self.index.search(queries, self.k, params=self.options)[1]

    def save(self, folder):
        self.faiss.write_index(self.index, os.path.join(folder, "index"))


class Scann(Driver):
    """Partitions, anisotropic codes of 4 bits, exact rescoring. `threshold` is T of Guo et al. for rows of length 1."""

    def __init__(self, rows, leaves, dims_per_block, threshold, soar, rescore):
        from scann.scann_ops.py import scann_builder, scann_ops_pybind
        builder = scann_ops_pybind.builder(rows, 10, "dot_product").set_n_training_threads(1)
        builder = builder.tree(leaves, leaves, training_sample_size=len(rows), soar_lambda=soar)
        length = float(np.sqrt((rows * rows).sum(1).mean()))
        builder = builder.score_ah(dims_per_block, anisotropic_quantization_threshold=threshold * length)
        self.index = builder.reorder(100, getattr(scann_builder.ReorderType, rescore)).build()

    def tune(self, k, leaves, rescored):
        self.options = k, max(k, rescored), leaves

    def search(self, query):
        return self.index.search(query, *self.options)[0]

    def batch(self, queries):
        return self.index.search_batched(queries, *self.options)[0]

    def save(self, folder):
        self.index.serialize(folder)
        self.codes = sum(f.stat().st_size for f in os.scandir(folder) if f.name.startswith("hashed_dataset"))

    def bytes(self, saved):
        return saved - self.codes // 2  # the file holds a code of 4 bits a byte, the index two


class RabitqIvf(Driver):
    def __init__(self, rows, clusters, bits):
        import rabitqlib
        means = rabitqlib.RaBitQKMeans(rows.shape[1], clusters, num_threads=1)
        means.train(rows)
        self.index = rabitqlib.IvfIndex(rows.shape[1], len(rows), clusters, bits, metric="ip")
        self.index.build(rows, means.centroids, means.assignments, num_threads=1)

    def tune(self, k, nprobe):
        self.k, self.nprobe = k, nprobe

    def search(self, query):
        return self.index.search(query[None], self.k, self.nprobe, num_threads=1)[0][0]

    def batch(self, queries):
        return self.index.search(queries, self.k, self.nprobe, num_threads=1)[0]

    def save(self, folder):
        self.index.save(os.path.join(folder, "index"))


class RabitqHnsw(Driver):
    def __init__(self, rows, m, ef_construction, bits, clusters=16):
        import rabitqlib
        means = rabitqlib.RaBitQKMeans(rows.shape[1], clusters, num_threads=1)
        means.train(rows)
        self.index = rabitqlib.HnswIndex(rows.shape[1], len(rows), m, ef_construction, bits, metric="ip")
        self.index.build(rows, means.centroids, means.assignments, num_threads=1)

    def tune(self, k, ef):
        self.k, self.ef = k, max(k, ef)

    def search(self, query):
        return self.index.search(query[None], self.k, self.ef, num_threads=1)[0][0]

    def batch(self, queries):
        return self.index.search(queries, self.k, self.ef, num_threads=1)[0]

    def save(self, folder):
        self.index.save(os.path.join(folder, "index"))


class SymphonyQg(Driver):
    def __init__(self, rows, degree, ef_construction):
        import rabitqlib
        self.index = rabitqlib.SymqgIndex(rows.shape[1], degree, metric="ip")
        self.index.build(rows, ef_construction, num_threads=1)

    def tune(self, k, ef):
        self.k, self.ef = k, max(k, ef)

    def search(self, query):
        return self.index.search(query[None], self.k, self.ef, num_threads=1)[0][0]

    def batch(self, queries):
        return self.index.search_batch(queries, self.k, self.ef, num_threads=1)[0]

    def save(self, folder):
        self.index.save(os.path.join(folder, "index"))


class Vsag(Driver):
    def __init__(self, rows, degree, ef_construction, codes, rescore):
        import json
        import pyvsag
        n, dim = rows.shape
        graph = {"base_quantization_type": codes, "max_degree": degree, "ef_construction": ef_construction,
                 "build_thread_count": 1, "use_reorder": rescore is not None}
        if rescore:
            graph["precise_quantization_type"] = rescore
        settings = {"dtype": "float32", "metric_type": "ip", "dim": dim, "index_param": graph}
        self.index = pyvsag.Index("hgraph", json.dumps(settings))
        self.index.build(rows.reshape(-1), np.arange(n), n, dim)

    def tune(self, k, ef):
        self.k, self.options = k, '{"hgraph": {"ef_search": %d}}' % max(k, ef)

    def search(self, query):
        return self.index.knn_search(query, self.k, self.options)[0]

    def save(self, folder):
        path = os.path.join(folder, "index")
        self.index.save(path)
        blocks = np.memmap(path, np.uint8)[: os.path.getsize(path) // 4096 * 4096].reshape(-1, 4096)
        self.used = sum(4096 * int(np.count_nonzero(part.any(1))) for part in np.array_split(blocks, 64))

    def bytes(self, saved):
        return self.used  # the file also holds the empty rest of blocks of 128 MiB


class Svs(Driver):
    """Vamana over float16, or over LVQ or LeanVec codes, which the library has for Intel's processors alone."""

    def __init__(self, rows, degree, window, codes, folder):
        import svs
        self.svs = svs
        parameters = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=degree, window_size=window)
        if codes == "float16":
            data = rows.astype(np.float16)
        else:
            path = os.path.join(folder, "rows.fvecs")
            svs.write_vecs(rows, path)
            data = svs.VectorDataLoader(path, svs.DataType.float32, rows.shape[1])
            if codes == "lvq4x8":
                data = svs.LVQLoader(data, primary=4, residual=8)
            else:
                data = svs.LeanVecLoader(data, rows.shape[1] // 2 // 32 * 32)
        self.index = svs.Vamana.build(parameters, data, svs.DistanceType.MIP, num_threads=1)
        self.index.num_threads = 1

    def tune(self, k, window):
        self.k, self.index.search_window_size = k, max(k, window)

    def search(self, query):
        return self.index.search(query, self.k)[0][0]

    def batch(self, queries):
        return self.index.search(queries, self.k)[0]

    def save(self, folder):
        self.index.save(*(os.path.join(folder, part) for part in ("config", "graph", "data")))


class Usearch(Driver):
    """Int8 codes are made here, as its own cast from float32 expects rows of length 1 and wastes most of the range."""

    def __init__(self, rows, m, ef_construction, codes):
        from usearch.index import Index
        self.codes = codes
        self.scale = 127 / np.abs(rows).max() if codes == "i8" else 1
        self.index = Index(ndim=rows.shape[1], metric="ip", dtype=codes, connectivity=m, expansion_add=ef_construction)
        self.index.add(np.arange(len(rows)), self.cast(rows, self.scale), threads=1)

    def cast(self, x, scale):
        return np.rint(x * scale).astype(np.int8) if self.codes == "i8" else x

    def tune(self, k, ef):
        self.k, self.index.expansion_search = k, max(k, ef)

    def queries(self, x):
        return self.cast(x, 127 / np.abs(x).max(-1, keepdims=True)) if self.codes == "i8" else x

    def search(self, query):
        return self.index.search(self.queries(query), self.k, threads=1).keys

    def batch(self, queries):
        return self.index.search(self.queries(queries), self.k, threads=1).keys

    def save(self, folder):
        self.index.save(os.path.join(folder, "index"))


class Pecos(Driver):
    def __init__(self, rows, m, ef_construction):
        from pecos.ann.hnsw import HNSW
        self.model = HNSW
        train = HNSW.TrainParams(M=m, efC=ef_construction, threads=1, metric_type="ip")
        self.index = HNSW.train(rows, train_params=train)
        self.searchers = self.index.searchers_create(1)

    def tune(self, k, ef):
        self.k, self.options = k, self.model.PredParams(efS=max(k, ef), topk=k, threads=1)

    def search(self, query):
        return self.index.predict(query[None], self.options, self.searchers, ret_csr=False)[0][0]

    def batch(self, queries):
        return self.index.predict(queries, self.options, self.searchers, ret_csr=False)[0]

    def save(self, folder):
        self.index.save(folder)


class Ngt(Driver):
    """ANNG, then ONNG of it. Inner products become distances through one more dimension, sqrt(R² - |x|²)."""

    def __init__(self, rows, edges, outgoing, incoming, folder):
        import ngtpy
        squares = (rows.astype(np.float64) ** 2).sum(1)
        extra = np.sqrt(np.maximum(squares.max() - squares, 0))
        rows = np.column_stack((rows, extra)).astype(np.float32)
        path, self.path = os.path.join(folder, "anng"), os.path.join(folder, "onng")
        ngtpy.create(path, rows.shape[1], edge_size_for_creation=edges, distance_type="L2")
        index = ngtpy.Index(path)
        index.batch_insert(rows, num_threads=1)
        index.save()
        index.close()
        optimizer = ngtpy.Optimizer(num_of_outgoings=outgoing, num_of_incomings=incoming)
        optimizer.set_processing_modes(True, False, False, False)  # what it would time to choose is in the grid
        optimizer.execute(path, self.path)
        self.index = ngtpy.Index(self.path, read_only=True)
        self.results = ngtpy.BatchResults

    def tune(self, k, epsilon):
        self.index.set(num_of_search_objects=k, epsilon=epsilon)

    def search(self, query):
        return self.index.search(np.append(query, np.float32(0)), with_distance=False)

    def save(self, folder):
        import shutil
        shutil.copytree(self.path, os.path.join(folder, "onng"))
