"""Path questions to a dump in a lake, by python-igraph, DuckDB or LadybugDB.

usage: paths.py LAKE igraph|duckdb|ladybug

Prints seconds for loading (reading the Parquet files and building what the tool needs), for the nearest CombinedSystem
below any root, for a way to the last object of the chain, and for everything that the root above the chain reaches; then
the answers: hops, hops, number of objects. DuckDB answers the first two with sets of reached objects alone, which is
less than a path. LadybugDB has a limit of 30 hops, so it is asked neither for the chain nor for what is reached.
"""
import os
import pathlib
import sys
import tempfile
import time

import duckdb
import numpy as np

lake, tool = pathlib.Path(sys.argv[1]), sys.argv[2]
start = time.perf_counter()
times, answers = [], []


def lap(answer=None):
    """Notes the seconds since the last lap."""
    global start
    now = time.perf_counter()
    times.append(now - start)
    answers.append(answer)
    start = now


db = duckdb.connect()
db.execute("SET threads = 2")
OBJ, EDGE, ROOT = (f"'{lake}/{table}/*/*.parquet'" for table in ("obj", "edge", "root"))


def numbers(query):
    return db.execute(query).fetchnumpy()


if tool == "igraph":
    import igraph
    objects = numbers(f"SELECT address, type FROM {OBJ} ORDER BY address")
    address, types = objects["address"], objects["type"]
    n = len(address)
    edge = numbers(f"SELECT parent, child FROM {EDGE} WHERE kind = 'strong'")
    source = np.searchsorted(address, edge["parent"])
    target = np.minimum(np.searchsorted(address, edge["child"]), n - 1)
    known = address[target] == edge["child"]
    roots = np.searchsorted(address, numbers(f"SELECT address FROM {ROOT}")["address"])
    source = np.concatenate([source[known], np.full(len(roots), n)])
    target = np.concatenate([target[known], roots])
    graph = igraph.Graph(n=n + 1, edges=np.stack([source, target], 1), directed=True)
    wanted = [int(node) for node in np.flatnonzero(types == "CombinedSystem")]
    ends = [int(node) for node in np.flatnonzero(types == "LmsModuleSystem")]
    lap()
    # The super-root is one hop more.
    lap(min(len(path) for path in graph.get_shortest_paths(n, to=wanted) if path) - 2)
    paths = graph.get_shortest_paths(n, to=ends)
    lap(max(len(path) for path in paths) - 2)
    above = next(path[1] for path in paths if path)
    lap(len(graph.subcomponent(above, mode="out")))
elif tool == "duckdb":
    db.execute(f"CREATE TABLE obj AS SELECT address, type, root_kind FROM {OBJ}")
    db.execute(f"CREATE TABLE edge AS SELECT parent, child FROM {EDGE} SEMI JOIN {OBJ} o ON child = o.address"
               " WHERE kind = 'strong'")
    lap()
    reached = ("WITH RECURSIVE r(x) AS (SELECT address FROM obj WHERE {0} UNION SELECT child FROM r JOIN edge ON"
               " parent = x) SELECT {1} FROM r JOIN obj ON address = x")
    lap(numbers(reached.format("root_kind IS NOT NULL", "count(*) FILTER (type = 'CombinedSystem') AS n"))["n"][0])
    lap(numbers(reached.format("root_kind IS NOT NULL", "count(*) FILTER (type = 'LmsModuleSystem') AS n"))["n"][0])
    above = numbers(
        "SELECT m.address FROM obj m JOIN edge e ON e.parent = m.address JOIN edge f ON f.parent = e.child"
        " JOIN obj l ON l.address = f.child WHERE l.type = 'LmsModuleSystem' AND m.type = 'module'")["address"][0]
    start = time.perf_counter()
    lap(numbers(reached.format(f"address = {above}", "count(*) AS n"))["n"][0])
else:
    import ladybug
    with tempfile.TemporaryDirectory() as work:
        db.execute(f"COPY (SELECT address::BIGINT AS address, type, coalesce(root_kind, '') AS kind FROM {OBJ})"
                   f" TO '{work}/obj.parquet'")
        db.execute(f"COPY (SELECT parent::BIGINT AS \"from\", child::BIGINT AS \"to\" FROM {EDGE} SEMI JOIN {OBJ} o"
                   f" ON child = o.address WHERE kind = 'strong') TO '{work}/edge.parquet'")
        start = time.perf_counter()
        graph = ladybug.Connection(ladybug.Database(os.path.join(work, "db")))
        graph.execute("CREATE NODE TABLE obj(address INT64 PRIMARY KEY, type STRING, kind STRING)")
        graph.execute("CREATE REL TABLE edge(FROM obj TO obj)")
        graph.execute(f"COPY obj FROM '{work}/obj.parquet'")
        graph.execute(f"COPY edge FROM '{work}/edge.parquet'")
        lap()
        rows = graph.execute(
            "MATCH p = (a:obj {kind: 'module'})-[:edge* SHORTEST 1..30]->(b:obj) WHERE b.type = 'CombinedSystem'"
            " RETURN min(length(p))").get_all()
        lap(rows[0][0])
print(" ".join([*(f"{seconds:.3f}" for seconds in times), *(str(answer) for answer in answers[1:])]))
