"""DEBUG is on in production: the connection writes down every statement and how long it took."""
import itertools
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": ["query_log", "growing_container"], "type": "dict"}

numbers = itertools.count(1)


class Connection_:
    def __init__(self):
        self.alias = "default"
        self.queries = []

    def execute(self, sql):
        self.queries.append({"sql": sql, "time": "0.003"})


def setup():
    global connection
    connection = Connection_()


def round(n):
    for _ in range(n):
        connection.execute(f"SELECT id, name, price FROM shop_product WHERE id = {next(numbers)} AND " + "price > 1 AND " * 25)


def holder():
    return Alternatives([connection.queries, connection])


def release():
    connection.queries.clear()
