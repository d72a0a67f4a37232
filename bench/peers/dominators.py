"""Immediate dominators of a dump in a lake, by python-igraph or rustworkx.

usage: dominators.py LAKE igraph|rustworkx

Prints seconds for building the peer's graph and for the dominators alone. Reading and numbering are not counted. The
roots are those of the lake, below one super-root.
"""
import pathlib
import sys
import time

import duckdb
import numpy as np

lake, tool = pathlib.Path(sys.argv[1]), sys.argv[2]
db = duckdb.connect()


def column(table, names, order):
    files = str(lake / table / "*" / "*.parquet")
    return db.execute(f"SELECT {names} FROM '{files}' ORDER BY {order}").fetchnumpy()


address = column("obj", "address", "address")["address"]
n = len(address)
edge = db.execute(f"SELECT parent, child FROM '{lake}/edge/*/*.parquet' WHERE kind = 'strong'").fetchnumpy()
source = np.searchsorted(address, edge["parent"])
target = np.minimum(np.searchsorted(address, edge["child"]), n - 1)
known = address[target] == edge["child"]
roots = np.searchsorted(address, column("root", "address", "address")["address"])
source = np.concatenate([source[known], np.full(len(roots), n)])
target = np.concatenate([target[known], roots])

start = time.perf_counter()
if tool == "igraph":
    import igraph
    graph = igraph.Graph(n=n + 1, edges=np.stack([source, target], 1), directed=True)
    built = time.perf_counter()
    dominators = np.array(graph.dominator(n)[:n])
else:
    import rustworkx
    graph = rustworkx.PyDiGraph(multigraph=True)
    graph.add_nodes_from([None] * (n + 1))
    graph.extend_from_edge_list(list(zip(source.tolist(), target.tolist())))
    built = time.perf_counter()
    found = rustworkx.immediate_dominators(graph, n)
    dominators = np.array([found.get(i, -1) for i in range(n)])
end = time.perf_counter()
# The sum of the addresses of dominators, to be compared with the lake's.
check = int(sum(int(address[d]) for d in dominators if 0 <= d < n))
print(f"{built - start:.3f} {end - built:.3f} {check}")
