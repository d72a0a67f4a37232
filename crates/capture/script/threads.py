# What the interpreter keeps for threads and for the end -------------------------------------------------------------
#
# No object refers to it: the dictionary of a thread, its context and what else is in its state; functions of `atexit`.
# Structures of the interpreter are read, but a word of them is taken for an object only where the collector lists one
# at that address, or where an own thread shows what is there.

#: Bytes of a thread's state that are looked at; not more than it has in any version.
_STATE_BYTES = 512 if _VERSION >= (3, 13) else 288
#: Bytes of an interpreter's state in which the functions of `atexit` are looked for.
_INTERPRETER_BYTES = 1 << 20
#: More functions than these are no functions of `atexit`.
_MOST_FUNCTIONS = 1 << 16


class _ThreadState:
    """The state of a thread: who it is, its dictionary (0 where it has none), and every word of it."""

    is_of_one_dump = _IS_OF_ONE_DUMP

    def __init__(self, thread, dictionary, words):
        self.thread = thread
        self.dictionary = dictionary
        self.words = words


def _thread_states(threads):
    """The states of those of some threads, by id, that the interpreter of this one has."""
    state = _native("PyThreadState_Get", result=_Long)()
    own = _native("PyThreadState_GetDict", result=_Long)()
    follow = _native("PyThreadState_Next", _Long, result=_Long)
    found = []
    own_words = _words(state, _STATE_BYTES)
    at = own_words.index(own) if own and own in own_words else None
    state = _native("PyInterpreterState_ThreadHead", _Long, result=_Long)(_word(state + 16))
    while state:
        words = _words(state, _STATE_BYTES)
        thread = next(filter(threads.__contains__, words), None)
        if thread is not None:
            found.append(_ThreadState(thread, words[at] if at is not None else 0, words))
        state = follow(state)
    return found


def _interpreters():
    """How many interpreters the process has; None where that is not known."""
    if not _IS_NATIVE:
        return None
    follow = _native("PyInterpreterState_Next", _Long, result=_Long)
    interpreter, n = _native("PyInterpreterState_Head", result=_Long)(), 0
    while interpreter:
        interpreter = follow(interpreter)
        n += 1
    return n


def _running_frames():
    """By thread, the frame that it runs, of the threads of this interpreter.

    `sys._current_frames` looks at all interpreters, and of a thread that runs several of them it shows one. It also makes
    objects of their frames, with the allocator of the interpreter that asks: where each has its own (3.12 and later), the
    process crashes when the other one frees them.
    """
    this = _this_thread()
    # Of this thread, the frame of the caller: that of this function ends here.
    if _VERSION < (3, 9) or (_interpreters() == 1 if _IS_NATIVE else not _IS_ISOLATED):
        found = sys._current_frames()
        if this in found:
            found[this] = sys._getframe(1)
        return found
    if not _IS_NATIVE:
        # Of other threads nothing can be asked.
        return {this: sys._getframe(1)}
    state = _native("PyThreadState_Get", result=_Long)()
    frame_of, drop = _native("PyThreadState_GetFrame", _Long, result=_Long), _native("Py_DecRef", _Long)
    follow = _native("PyThreadState_Next", _Long, result=_Long)
    at = _words(state, _STATE_BYTES).index(this)
    state = _native("PyInterpreterState_ThreadHead", _Long, result=_Long)(_word(state + 16))
    found = {}
    while state:
        frame = frame_of(state)
        # A thread that waits to begin or to end runs nothing.
        if frame:
            found[_word(state + 8 * at)] = _ctypes.PyObj_FromPtr(frame)
            drop(frame)
        state = follow(state)
    found[this] = sys._getframe(1)
    return found


def _current_errors():
    """By thread, the exception that it handles, of a process with one interpreter: Python tells only of all of them."""
    is_alone = _interpreters() == 1 if _IS_NATIVE else not _IS_ISOLATED
    return getattr(sys, "_current_exceptions", dict)() if is_alone else {}


def _functions_at_end():
    """Addresses of what `atexit` calls, with what: where the interpreter itself keeps it (3.10 and later)."""
    count = _in_module("atexit", "_ncallbacks")
    if _VERSION < (3, 10) or type(count) is not types.BuiltinFunctionType or count.__name__ != "_ncallbacks":
        return set()
    n = count()
    if not 0 < n < _MOST_FUNCTIONS:
        return set()
    interpreter = _word(_native("PyThreadState_Get", result=_Long)() + 16)
    for pointer, after in _pairs(_words(interpreter, _readable(interpreter, _INTERPRETER_BYTES))):
        # A table of pointers to functions, how many there are, and how many have room, by 16.
        room = after >> 32
        if after & 0xFFFFFFFF == n and n <= room <= n + _MOST_FUNCTIONS and room % 16 == 0 and _is_table(pointer, n):
            found = set()
            for entry in filter(None, _words(pointer, 8 * n)):
                found.update(_words(entry, 24))
            return found
    return set()


def _pairs(words):
    return zip(words, words[1:])


def _is_table(pointer, n):
    """Whether there is a table of n pointers, each to three words or nothing."""
    if pointer % 8 or pointer < 4096 or pointer >> 47 or _readable(pointer, 8 * n) < 8 * n:
        return False
    entries = [entry for entry in _words(pointer, 8 * n) if entry]
    are_pointers = all([entry % 8 == 0 and 4096 <= entry and not entry >> 47 for entry in entries])
    return bool(entries) and are_pointers and all([_readable(entry, 24) >= 24 for entry in entries])
