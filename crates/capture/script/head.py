"""Writes every object of this process to a file, for heaplake to read. CPython 3.8 to 3.14, no dependencies.

    import heaplake_dump
    heaplake_dump.dump("/tmp/heap.dump.gz")                       # now
    heaplake_dump.install(signal=signal.SIGUSR1, dir="/tmp")      # kill -USR1 PID
    heaplake_dump.install(every=3600, dir="/var/dumps")           # every hour
    heaplake_dump.install(on_memory_error=True, dir="/tmp")       # when a MemoryError is not caught

By default the process forks and the child writes: the program stops for the fork only, and the dump is one moment.
Nothing of the program runs for it on either side, neither its hooks at fork nor its signal handlers.
docs/formats/capture.md of heaplake says what is written, docs/capture.md how to use it.

How it works. The collector's list (`gc.get_objects`) gives all containers; what they refer to (`gc.get_referents`)
gives the rest. Nothing of the program runs: no `__eq__`, `__hash__`, `__repr__`, `__getattr__`, `__sizeof__` or
property of it. Names of attributes are found by reading an attribute and looking which reference is the same object.
The fork is that of the C library, called with the interpreter lock; in the child a new thread does everything, so that
no signal handler, tracer or exception that waits for the program's thread gets a turn. What it does is in `process`.

Memory, in the child: 8 bytes per container, as much for each dictionary and tuple, about 80 bytes per object that is none, some megabytes of buffers; and
because looking at an object changes its reference count, the pages of the heap are copied as the child goes. With
fork=False the text is kept in memory, too, until all is seen or HELD_BYTES are reached: 100 to 300 bytes per object.
"""

import sys

_MODULES = set(sys.modules)

import _collections
import _functools
import _signal
import _thread
import _weakref
import builtins
import gc
import marshal
import os
import posix
import time
import types
import zlib
from _queue import SimpleQueue
from itertools import chain, compress, filterfalse, repeat
from operator import attrgetter, itemgetter

try:
    import _ctypes

    _WHY_NO_CTYPES, _IS_ISOLATED = None, False
except ImportError as _error:
    # Isolated interpreters of 3.12 may not load it.
    _IS_ISOLATED = "subinterpreters" in str(_error)
    _ctypes, _WHY_NO_CTYPES = None, f"_ctypes cannot be used in this interpreter ({_error})"
try:
    from _json import encode_basestring_ascii as _quote, scanstring as _scan
except ImportError:
    from json.decoder import py_scanstring as _scan
    from json.encoder import encode_basestring_ascii as _quote
try:
    from _blake2 import blake2b as _blake2b
except ImportError:
    from hashlib import blake2b as _blake2b
if sys.version_info >= (3, 14):
    try:
        from compression import zstd as _zstd
    except ImportError:
        _zstd = None
else:
    _zstd = None

#: Name of this file where heaplake has brought it into the process; what calls it then is ours, too.
_FROM_OUTSIDE = "<heaplake>"
_IS_FROM_OUTSIDE = sys._getframe().f_code.co_filename == _FROM_OUTSIDE
#: Modules, by the first part of their names, that the imports above bring where nobody has imported them before. What
#: else is new by now another thread of the program imports at this moment, and it fails if that is taken away.
_MAY_BRING = set(
    "_blake2 _collections _collections_abc _ctypes _functools _hashlib _json _operator _queue _signal _stat"
    " _thread _weakref _zstd abc collections compression enum functools gc genericpath hashlib io itertools json keyword marshal"
    " operator os posixpath reprlib stat time types zlib".split()
)
#: Modules that were imported for this alone; the program does not see them, and no dump has them.
_BROUGHT = []
if _IS_FROM_OUTSIDE:
    _BROUGHT += [sys.modules.pop(name) for name in set(sys.modules) - _MODULES if name.partition(".")[0] in _MAY_BRING]
del _MODULES, _MAY_BRING

__all__ = ["CaptureError", "MASKS", "dump", "install", "memory_errors", "uninstall"]

#: Version of the lines that are written.
FORMAT = 2
#: Characters of a text with values="short", and of a key in a label.
SHORT = 100
#: With fork=False: bytes of text that are kept until every object was seen.
HELD_BYTES = 1 << 30

_VERSION = sys.version_info[:2]
#: Whether threads run Python at the same time (3.13 and later, a build of its own).
_IS_FREE_THREADED = bool(getattr(sys, "abiflags", "").count("t"))
#: Objects that are written before new ones are looked for.
_BATCH = 4096
#: Bytes of text that are compressed at once.
_CHUNK = 1 << 20
#: Keys whose labels are remembered; then all are forgotten.
_REMEMBERED_KEYS = 50_000
#: Seconds that other threads wait for their turn with fork=False.
_TURN = 0.05
#: Seconds without progress after which a child is ended.
_STALL = 60


#: Marks classes of what lives as long as a dump is being made, and is no part of it.
_IS_OF_ONE_DUMP = object()


class CaptureError(RuntimeError):
    """A dump could not be written; the message says why. The program itself goes on."""
