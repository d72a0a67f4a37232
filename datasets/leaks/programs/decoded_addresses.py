"""The same addresses, decoded from bytes for every connection, as parts of tuples that a set of sessions keeps."""
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["many_equal", "growing_container"], "type": ["tuple", "str"]}

numbers = itertools.count(1)
connected = {}
RAW = b"gateway.internal.example.org/region/europe/zone/" + b"x" * 200


def setup():
    pass


def round(n):
    for _ in range(n):
        connected[next(numbers)] = (RAW.decode(), RAW[8:].decode())


def holder():
    return connected


def release():
    connected.clear()
