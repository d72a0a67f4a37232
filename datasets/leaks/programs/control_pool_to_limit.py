"""Connections are made when all are in use, up to a limit that is reached at the third moment."""
import itertools

TRUTH = {"held": True, "leaks": False}

numbers = itertools.count(1)


class DbConnection:
    def __init__(self, number):
        self.number = number
        self.send_buffer = bytearray(2000)
        self.prepared = {f"statement {i}": i for i in range(20)}


class DbPool:
    def __init__(self):
        self.connections = []
        self.max_connections = 20

    def more(self):
        if len(self.connections) < self.max_connections:
            self.connections.append(DbConnection(next(numbers)))


def setup():
    global pool, turn
    pool = DbPool()
    turn = itertools.count()


def round(n):
    for _ in range(n):
        if next(turn) % 8 == 0:
            pool.more()
