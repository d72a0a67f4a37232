"""Writes every object of this process to a file, for heaplake to read. CPython 3.8 to 3.14, no dependencies.

    import heaplake_dump
    heaplake_dump.dump("/tmp/heap.dump.gz")                       # now
    heaplake_dump.install(signal=signal.SIGUSR1, dir="/tmp")      # kill -USR1 PID
    heaplake_dump.install(every=3600, dir="/var/dumps")           # every hour
    heaplake_dump.install(on_memory_error=True, dir="/tmp")       # when a MemoryError is not caught

By default the process forks and the child writes: the program stops for the fork only, and the dump is one moment.
docs/formats/capture.md of heaplake says what is written, docs/capture.md how to use it.

How it works. The collector's list (`gc.get_objects`) gives all containers; what they refer to (`gc.get_referents`)
gives the rest. Nothing of the program runs: no `__eq__`, `__hash__`, `__repr__`, `__getattr__`, `__sizeof__` or
property of it. Names of attributes are found by reading an attribute and looking which reference is the same object.

Memory, in the child: 8 bytes per container, about 80 bytes per object that is none, some megabytes of buffers; and
because looking at an object changes its reference count, the pages of the heap are copied as the child goes. With
fork=False the text is kept in memory, too, until all is seen or HELD_BYTES are reached: 100 to 300 bytes per object.
"""

import _thread
import builtins
import gc
import json
import os
import signal as _signal
import sys
import time
import types
import warnings
import weakref
import zlib
from _queue import SimpleQueue
from collections import deque
from itertools import chain, filterfalse
from json.encoder import encode_basestring_ascii as _quote
from operator import attrgetter, itemgetter

try:
    from compression import zstd as _zstd
except ImportError:
    _zstd = None

__all__ = ["CaptureError", "dump", "install", "memory_errors", "uninstall"]

#: Version of the lines that are written.
FORMAT = 1
#: Characters of a text with values="short", and of a key in a label.
SHORT = 100
#: With fork=False: bytes of text that are kept until every object was seen.
HELD_BYTES = 1 << 30

_VERSION = sys.version_info[:2]
#: Objects that are written before new ones are looked for.
_BATCH = 4096
#: Bytes of text that are compressed at once.
_CHUNK = 1 << 20
#: Keys whose labels are remembered; then all are forgotten.
_REMEMBERED_KEYS = 50_000
#: Seconds that other threads wait for their turn with fork=False.
_TURN = 0.05
#: Name of this file where heaplake has brought it into the process; what calls it then is ours, too.
_FROM_OUTSIDE = "<heaplake>"
#: Instances of a type whose attributes are looked up in their dictionary, in the child alone.
_SAMPLES = 32


class CaptureError(RuntimeError):
    """A dump could not be written; the message says why. The program itself goes on."""
