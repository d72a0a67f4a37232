"""A C library takes memory for every call and never frees it: nothing of it is an object."""
import ctypes
from driver import Alternatives

TRUTH = {"held": False, "leaks": True, "idiom": "outside_objects", "type": [], "bytes_per_request": 100_000}

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def setup():
    pass


def round(n):
    for _ in range(n):
        libc.memset(libc.malloc(100_000), 1, 100_000)


def holder():
    return Alternatives([None])


def release():
    pass
