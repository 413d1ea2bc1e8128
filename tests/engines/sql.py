"""Holds pefa_search() of `pefa export-sql` against the library's own answers.

  sql.py QUERIES.npy HITS.jsonl [--recall SHARE] [--count N] [--set NAME=VALUE]... [--clicks]

The environment names the database, which has loaded the script. HITS.jsonl is what `pefa search` answered over flat
indexes with the same arguments. Without --recall the answers must be the same, see rankings.py; with it, the plan of the
search must walk both graphs, and that share of the exact answers be found. --clicks: an INSERT counts from the next query
on."""
import argparse
import sys

import psycopg

from rankings import as_literal, differences, read_hits, read_queries, share_found


def check_clicks(connection, query):
    """A click on a passage that is not among the best makes it the best."""
    search = "SELECT id::text FROM pefa_search(%s::vector, 5, neighbors => 3, lambda => 0.1)"
    before = [id for id, in connection.execute(search, [as_literal(query)])]
    clicked, = connection.execute("SELECT id::text FROM passage WHERE NOT id::text = ANY(%s) LIMIT 1", [before]).fetchone()
    connection.execute(
        "WITH asked AS (INSERT INTO train_query (embedding) VALUES (pefa_train_query(%s::vector)) RETURNING id) "
        "INSERT INTO relevance (query_id, passage_id) SELECT asked.id, p.id FROM asked, passage p WHERE p.id::text = %s",
        [as_literal(query), clicked])
    after = [id for id, in connection.execute(search, [as_literal(query)])]
    connection.rollback()
    if clicked not in after[:2]:
        sys.exit(f"sql: a click on {clicked} left {after}")


def check_plan(connection, query):
    """Both tables are walked by their graphs, ties by id or not."""
    connection.execute("LOAD 'auto_explain'")
    notices = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    for setting in ("auto_explain.log_min_duration = 0", "auto_explain.log_nested_statements = on",
                    "client_min_messages = log"):
        connection.execute(f"SET {setting}")
    connection.execute("SELECT * FROM pefa_search(%s::vector, 10)", [as_literal(query)]).fetchall()
    connection.execute("SET client_min_messages = notice")
    plan = "\n".join(notices)
    for index in ("passage_embedding_idx", "train_query_embedding_idx"):
        if f"Index Scan using {index}" not in plan:
            sys.exit(f"sql: the search does not walk {index}:\n{plan}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("queries")
    parser.add_argument("hits")
    parser.add_argument("--recall", type=float)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--set", action="append", default=[], help="an argument of pefa_search: gate=mean")
    parser.add_argument("--clicks", action="store_true")
    arguments = parser.parse_args()
    queries = read_queries(arguments.queries, arguments.count)
    expected = read_hits(arguments.hits, arguments.count)
    connection = psycopg.connect()
    given = dict(pair.split("=") for pair in arguments.set)
    call = "".join(f", {name} => %({name})s" for name in given)
    recall = 0.0
    for number, (query, right) in enumerate(zip(queries, expected)):
        found = connection.execute(f"SELECT id::text, score FROM pefa_search(%(query)s::vector, 10{call})",
                                   {"query": as_literal(query), **given}).fetchall()
        recall += share_found(found, right) / len(queries)
        wrong = None if arguments.recall else differences(found, right)
        if wrong:
            sys.exit(f"sql {given}: query {number}: {wrong}")
    if arguments.recall:
        check_plan(connection, queries[0])
        if recall < arguments.recall:
            sys.exit(f"sql {given}: recall {recall:.3f}, expected {arguments.recall}")
    if arguments.clicks:
        check_clicks(connection, queries[0])
    print(f"sql {given}: {len(queries)} queries, recall {recall:.3f} of the exact ten")


main()
