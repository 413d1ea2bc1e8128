"""Loads what `pefa export-xs --to ENGINE` wrote by the commands of its own README, asks by the README's query, and holds
the answers against the library's own.

  exports.py FOLDER QUERIES.npy HITS.jsonl [--recall SHARE] [--count QUERIES] [--loaded] [--filter]

HITS.jsonl is what `pefa search` of a flat index answered. Without --recall the answers must be the same: the best ten,
up to swaps of scores closer than 1e-5, each score within 1e-5 of the library's. --filter asks by the README's filter,
lang=en & price<=20."""
import argparse
import os
import pathlib
import re
import subprocess
import sys

import numpy

from rankings import as_literal, differences, read_hits, read_queries, share_found


def blocks(readme, kind):
    """The blocks of code of a kind: "sh", "python ask"."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)


def load(folder):
    """Runs the README's block of Load or Update as it stands."""
    readme = folder / "README.md"
    for code in blocks(readme, "sh"):
        subprocess.run(["bash", "-euo", "pipefail", "-c", code], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for code in blocks(readme, "python"):
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def ask_postgres(folder, is_filtered):
    """Asks by the README's SQL."""
    import psycopg
    connection = psycopg.connect()
    *settings, statement = blocks(folder / "README.md", "sql")[1 if is_filtered else 0].strip().rstrip(";").split(";\n")
    for setting in settings:
        connection.execute(setting)

    def ask(query):
        return connection.execute(statement.replace("$1", f"'{as_literal(query)}'::vector")).fetchall()
    return ask


def ask_by_readme(folder, is_filtered):
    code = compile(blocks(folder / "README.md", "python filter" if is_filtered else "python ask")[0], "README.md", "exec")

    def ask(query):
        variables = {"query": [float(x) for x in query]}
        exec(code, variables)
        return variables["hits"]
    return ask


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("queries")
    parser.add_argument("hits")
    parser.add_argument("--recall", type=float)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--loaded", action="store_true", help="it is loaded already, by this folder's parent export")
    parser.add_argument("--filter", action="store_true")
    arguments = parser.parse_args()
    queries = read_queries(arguments.queries, arguments.count)
    expected = read_hits(arguments.hits, arguments.count)
    if not arguments.loaded:
        load(arguments.folder)
    asks = ask_postgres if (arguments.folder / "rows.copy").exists() else ask_by_readme
    ask = asks(arguments.folder, arguments.filter)
    if (arguments.folder / "query_map.npy").exists():
        queries = queries @ numpy.load(arguments.folder / "query_map.npy").T
    os.chdir(arguments.folder)
    recall = 0.0
    for number, (query, right) in enumerate(zip(queries, expected)):
        found = [(str(id), float(score)) for id, score in ask(query)]
        recall += share_found(found, right) / len(queries)
        wrong = None if arguments.recall else differences(found, right)
        if wrong:
            sys.exit(f"{arguments.folder.name}: query {number}: {wrong}")
    if arguments.recall and recall < arguments.recall:
        sys.exit(f"{arguments.folder.name}: recall {recall:.3f}, expected {arguments.recall}")
    print(f"{arguments.folder.name}: {len(queries)} queries, recall {recall:.3f} of the exact ten")


if __name__ == "__main__":
    main()
