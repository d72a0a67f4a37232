# What Python itself does not offer ----------------------------------------------------------------------------------
#
# Functions of the C library and of the interpreter are called through `_ctypes`, the C half of ctypes: nothing of the
# program can have replaced them, and with `_Held` the interpreter lock is kept while they run. Memory is read where it
# was found out beforehand what lies there.

#: Whether it can be used here. Free-threaded builds have other locks and objects of another layout.
_IS_NATIVE = _ctypes is not None and sys.maxsize > 1 << 32 and sys.platform == "linux" and not _IS_FREE_THREADED

if _IS_NATIVE:

    class _Long(_ctypes._SimpleCData):
        _type_ = "L"

    class _Int(_ctypes._SimpleCData):
        _type_ = "i"

    class _Byte(_ctypes._SimpleCData):
        _type_ = "B"

    class _Text(_ctypes._SimpleCData):
        _type_ = "z"

    class _Signed(_ctypes._SimpleCData):
        _type_ = "l"

    class _Object(_ctypes._SimpleCData):
        _type_ = "O"

    class _Held(_ctypes.CFuncPtr):
        """A C function that is called with the interpreter lock."""

        _flags_ = 1 | 4
        _restype_ = _Int

    class _Released(_ctypes.CFuncPtr):
        """A C function that is called without the interpreter lock."""

        _flags_ = 1
        _restype_ = _Int

    class _Callback(_ctypes.CFuncPtr):
        """A function of Python that C calls with one word, and with the interpreter lock."""

        _flags_ = 1 | 4
        _argtypes_ = (_Long,)
        _restype_ = _Int

    _LIBRARY = _ctypes.dlopen(None, 0)


def _address(name):
    """The address of a symbol of the process; 0 where there is none."""
    try:
        return _ctypes.dlsym(_LIBRARY, name)
    except OSError:
        return 0


def _native(name, *arguments, result=None, kind=None):
    """A C function; without `result` one that returns an int, and whose arguments are words."""
    address = _address(name)
    if not address:
        raise CaptureError(f"this process has no function {name}; use fork=False")
    function = (kind or _Held)(address)
    function.argtypes = arguments
    if result is not None:
        function.restype = result
    return function


def _word(address):
    return _Long.from_address(address).value


def _array(kind, n):
    """The type of an array of the C language."""
    return type("_Array", (_ctypes.Array,), {"_type_": kind, "_length_": n})


if _IS_NATIVE:
    # Made once: a class that is made for every dump would stay behind until the collector comes.
    _Pair = _array(_Long, 2)
    _Page = _array(_Long, 512)


def _words(address, n_bytes):
    """The words of a piece of memory."""
    words, end = [], address + n_bytes // 8 * 8
    while end - address >= 4096:
        words += _Page.from_address(address)
        address += 4096
    return words + [_word(at) for at in range(address, end, 8)]


def _original(module, name):
    """A function of a module in C as it was made, whatever the program has put in its place."""
    found = getattr(module, name)
    if type(found) is types.BuiltinFunctionType and found.__self__ is module and found.__name__ == name:
        return found
    if not _IS_NATIVE:
        return found
    definition = _native("PyModule_GetDef", _Object, result=_Long)(module)
    # PyModuleDef: base of 40 bytes, name, doc, size, methods; PyMethodDef: name, function, flags, doc.
    method = _word(definition + 64) if definition else 0
    while method and _word(method):
        if _Text.from_address(method).value == name.encode():
            return _native("PyCFunction_NewEx", _Long, _Object, _Long, result=_Object)(method, module, 0)
        method += 32
    return found


_start_thread = _original(_thread, "start_new_thread")
_new_lock = _original(_thread, "allocate_lock")
_this_thread = _original(_thread, "get_ident")
_stack_size = _original(_thread, "stack_size")
_time = _original(time, "time")
_clock = _original(time, "perf_counter")


def _readable(address, n):
    """How many bytes from an address on can be read, at most n. The kernel is asked, by writing them to a pipe."""
    reading, writing = posix.pipe()
    try:
        write = _native("write", _Long, _Long, _Long, result=_Long)
        n_pages, before = 0, address % 4096
        # One byte a page: the pipe holds them all.
        while n_pages * 4096 < before + n and write(writing, address + n_pages * 4096, 1) == 1:
            n_pages += 1
        return min(n, n_pages * 4096 - before) if n_pages else 0
    finally:
        posix.close(reading)
        posix.close(writing)


def _interpreter_lock():
    """Addresses of the mutexes and of the condition variables of the interpreter lock.

    They lie behind the switch interval, the thread that has the lock, whether it is held, and a number:
    `_gil_runtime_state` of CPython, the same from 3.8 to 3.14. These are known, so the place is found by what is there.
    """
    state = _native("PyThreadState_Get", result=_Long)()
    known = [(round(sys.getswitchinterval() * 1e6), 8), (state, 8), (1, 4)]
    pattern = b"".join([value.to_bytes(n, sys.byteorder) for value, n in known])
    bases = [_address("_PyRuntime")]
    if _address("PyInterpreterState_Get"):
        bases.append(_native("PyInterpreterState_Get", result=_Long)())
    for base in filter(None, bases):
        data = bytes(_array(_Byte, _readable(base, 1 << 20)).from_address(base))
        at = data.find(pattern)
        if at >= 0 and data.find(pattern, at + 1) < 0:
            is_large = posix.uname().machine == "aarch64" and _address("gnu_get_libc_version")
            mutex = 48 if is_large else 40
            first = base + at + 32
            return [first + 48, first + 48 + mutex + 48], [first, first + 48 + mutex]
    raise CaptureError("the lock of this interpreter is not where it is in CPython 3.8 to 3.14; use fork=False")


class _Reserve:
    """Room that is kept until memory is short: a piece of memory, and addresses without memory for stacks and tables."""

    def __init__(self):
        self._room = bytearray(1 << 20)
        self._address = 0
        if _IS_NATIVE:
            # PROT_NONE; MAP_PRIVATE, MAP_ANONYMOUS and MAP_NORESERVE.
            map_memory = _native("mmap", *[_Long] * 6, result=_Long)
            address = map_memory(0, _RESERVE, 0, 2 | 0x20 | 0x4000, (1 << 64) - 1, 0)
            self._address = address if address % 4096 == 0 else 0
            self._unmap = _native("munmap", _Long, _Long)

    def free(self):
        self._room = None
        address, self._address = self._address, 0
        if address:
            self._unmap(address, _RESERVE)

    __del__ = free


#: Bytes of addresses that are kept for a dump without memory: two stacks of 16 MiB, tables, buffers.
_RESERVE = 128 << 20


class _Fork:
    """Forks so that nothing of the program runs, and so that the child is nobody's child.

    Of the C library: its handlers put the locks of `malloc` right, those of Python are not asked. The child has the
    threads of the parent as states without threads, one of which may want the interpreter lock; so from the fork on
    there is no Python code until a new thread waits for that lock, which is made anew: all of it is one expression of
    functions in C. The first child forks again and ends. The thread that forked waits for ever in the second: signal
    handlers, tracers and asynchronous exceptions of the program would run in it.
    """

    def __init__(self):
        self._mutexes, self._conditions = _interpreter_lock()
        self._fork = _native("fork")
        self._mask = _native("pthread_sigmask", _Long, _Long, _Long)
        self._mutex_init = _native("pthread_mutex_init", _Long, _Long)
        self._condition_init = _native("pthread_cond_init", _Long, _Long)
        self._exit = _native("_exit", _Long)
        self._pause = _native("pause", kind=_Released)
        self._alarm = _native("alarm", _Long)
        self._alarm.restype = None
        self._signal = _native("signal", _Long, _Long)
        self._signal.restype = None
        self._getrlimit = _native("getrlimit", _Long, _Long)
        self._setrlimit = _native("setrlimit", _Long, _Long)
        self._errno = _native("__errno_location", result=_Long)
        signals = _array(_Byte, 128)
        self._all, self._one, self._old = signals(), signals(), signals()
        _native("sigfillset", _Long)(_ctypes.addressof(self._all))
        _native("sigemptyset", _Long)(_ctypes.addressof(self._one))
        _native("sigaddset", _Long, _Long)(_ctypes.addressof(self._one), _signal.SIGALRM)
        # The clock of the conditions of CPython: CLOCK_MONOTONIC.
        self._attributes = signals()
        _native("pthread_condattr_init", _Long)(_ctypes.addressof(self._attributes))
        _native("pthread_condattr_setclock", _Long, _Long)(_ctypes.addressof(self._attributes), 1)

    def _stack(self):
        """The size of the stacks of the child's threads.

        Larger than those of the program, as C libraries give the stacks of threads that are gone to new ones, and those
        of the program's threads are looked at. Pages that are not used cost nothing.
        """
        limits = _Pair()
        self._getrlimit(3, _ctypes.addressof(limits))
        usual = limits[0] if limits[0] < 1 << 40 else 0
        return 2 * max(_stack_size(), usual, 8 << 20)

    def _without_limits(self):
        """Steps that let the child have as much memory as it may: a program that has reached its limit needs a dump, too."""
        step = _functools.partial
        self._limits = []
        for resource in (2, 9):
            # RLIMIT_DATA and RLIMIT_AS.
            limits = _Pair()
            self._getrlimit(resource, _ctypes.addressof(limits))
            if limits[0] != limits[1]:
                limits[0] = limits[1]
                self._limits.append((resource, limits))
        return [step(self._setrlimit, resource, _ctypes.addressof(limits)) for resource, limits in self._limits]

    def alive(self):
        """The child makes progress: it has time again."""
        self._alarm(_STALL)

    def __call__(self, job):
        """Forks; `job.work` is called in a thread of the second child and must not return. The id of the first child."""
        step = _functools.partial
        attributes = _ctypes.addressof(self._attributes)
        steps = [
            self._fork,
            # The first child. SIGALRM ends a child that hangs.
            step(self._signal, _signal.SIGALRM, 0),
            step(self._mask, 1, _ctypes.addressof(self._one), 0),
            step(self._alarm, _STALL),
            _all_of(self._fork, step(self._exit, 0)),
            # The second child.
            step(self._alarm, _STALL),
            *self._without_limits(),
            gc.disable,
            step(gc.set_threshold, *[(1 << 31) - 1] * 3),
            *map(step, [self._mutex_init] * 2, self._mutexes, [0, 0]),
            *map(step, [self._condition_init] * 2, self._conditions, [attributes] * 2),
            *_monitors(),
            step(_stack_size, self._stack()),
            _all_of(step(_start_thread, job.work, ()), self._pause),
        ]
        # The first step that gives something: in the parent, the fork.
        first = filter(None, _all(steps))
        job.forking = first
        parent, _mask, old = posix.getpid(), self._mask, _ctypes.addressof(self._old)
        _mask(2, _ctypes.addressof(self._all), old)
        try:
            child = next(first, 0)
        except BaseException:
            if posix.getpid() == parent:
                raise
            # The interpreter is about to end, and starts no thread.
            child = 0
        finally:
            if posix.getpid() == parent:
                _mask(2, old, 0)
        if posix.getpid() != parent:
            job.work()
        if child == -1:
            raise CaptureError(f"this process cannot fork: {os.strerror(_Int.from_address(self._errno()).value)}")
        job.forking = None
        return child


def _all(steps):
    """Functions in C to be called one after another as they are asked for, without any Python in between."""
    step = _functools.partial
    return map(step.__call__, [one if type(one) is step else step(one) for one in steps])


def _all_of(*steps):
    """A step of steps: until one gives nothing. Gives something if they all do."""
    return _functools.partial(all, _all(steps))


def _monitors():
    """Steps that take the program's monitors (3.12) off."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return []
    return [_functools.partial(monitoring.set_events, tool, 0) for tool in range(6) if monitoring.get_tool(tool) is not None]


def _fork_or_why():
    if _IS_FREE_THREADED:
        return None, "this Python is a free-threaded build, which is not supported yet"
    if not _IS_NATIVE:
        what = _WHY_NO_CTYPES or "this is not Linux on a 64-bit machine"
        return None, f"forking without running the program's hooks is not possible: {what}; use fork=False"
    try:
        return _Fork(), None
    except CaptureError as error:
        return None, str(error)


#: What forks, or None, and why not.
_fork, _WHY_NO_FORK = _fork_or_why()
