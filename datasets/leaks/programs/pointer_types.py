"""A structure of ctypes is defined for every message; the module keeps each pointer type by its class."""
import ctypes
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["class_per_request", "unbounded_cache", "growing_container"],
         "type": ["PyCStructType", "PyCPointerType", "type"], "requests": 30}

numbers = itertools.count(1)


def setup():
    ctypes.POINTER(ctypes.c_int)


def round(n):
    for _ in range(n):
        fields = [("id", ctypes.c_int), ("data", ctypes.c_char * (next(numbers) % 5 + 1))]
        message = type("Message", (ctypes.Structure,), {"_fields_": fields})
        ctypes.POINTER(message)


def holder():
    return Alternatives([ctypes._pointer_type_cache])


def release():
    for cls in [cls for cls in ctypes._pointer_type_cache if getattr(cls, "__name__", "") == "Message"]:
        del ctypes._pointer_type_cache[cls]
