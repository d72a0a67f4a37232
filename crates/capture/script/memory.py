# Memory outside of objects ------------------------------------------------------------------------------------------
#
# What the kernel says of the process, and what the allocators of Python and C say of themselves. All of it is bytes, and
# absent where nobody says. The kernel's sums are read before the fork, as afterwards all pages are shared with the child;
# what takes longer is read in the child.

#: Resident bytes up to which the sums over all mappings are read before the fork: the kernel walks through all pages.
_MOST_SUMMED = 1 << 28
#: Bytes of the list of mappings that are looked at.
_MOST_OF_MAPPINGS = 1 << 26

#: By the names of the kernel, the fields of the header; in kilobytes.
_OF_STATUS = {b"RssAnon": "anonymous", b"RssFile": "file", b"RssShmem": "shared", b"VmSwap": "swap"}


def _kilobytes(line):
    """The bytes of a line such as `VmRSS: 1764 kB`."""
    return int(line.split()[1]) * 1024


def _process_memory():
    """What the kernel says of the whole process, with `rss`, which it may not say."""
    memory = _process_status()
    try:
        if memory["rss"] is not None and memory["rss"] <= _MOST_SUMMED:
            lines = _content("/proc/self/smaps_rollup").split(b"\n")
            memory["private"] = sum([_kilobytes(line) for line in lines if line.startswith(b"Private_")])
    except (OSError, ValueError, IndexError):
        # An older kernel, or a process that may not look at itself.
        pass
    return memory


def _process_status():
    """The same without what takes long."""
    memory = {"rss": None}
    try:
        for line in _content("/proc/self/status").split(b"\n"):
            name = line.partition(b":")[0]
            if name == b"VmRSS":
                memory["rss"] = _kilobytes(line)
            elif name == b"Threads":
                memory["threads"] = int(line.split()[1])
            elif name in _OF_STATUS:
                memory[_OF_STATUS[name]] = _kilobytes(line)
        if memory["rss"] is None:
            memory["rss"] = int(_content("/proc/self/statm").split()[1]) * posix.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        # Another system.
        pass
    return memory


def _memory_groups():
    """The control groups of this process that may have a limit of memory, as folders, with the names of their files."""
    try:
        groups = [line.split(b":", 2) for line in _content("/proc/self/cgroup").splitlines()]
        mounts = [line.partition(b" - ") for line in _content("/proc/self/mountinfo", 1 << 24).splitlines()]
    except OSError:
        return []
    found = []
    for before, _, after in mounts:
        (_, _, _, root, point), (kind, _, options) = before.split()[:5], (after.split() + [b"", b"", b""])[:3]
        if kind == b"cgroup2":
            names, own = _MemoryGroup.SECOND, [path for number, _, path in groups if number == b"0"]
        elif kind == b"cgroup" and b"memory" in options.split(b","):
            names, own = _MemoryGroup.FIRST, [path for _, kinds, path in groups if b"memory" in kinds.split(b",")]
        else:
            continue
        for path in own:
            # In a container the path may be that of the host, and what is mounted the group itself.
            below = path[len(root) :] if path.startswith(root) else b""
            parts = [part for part in below.split(b"/") if part not in (b"", b"..")]
            found += [_MemoryGroup(b"/".join([point, *parts[:n]]), names) for n in range(len(parts), -1, -1)]
    return found


class _MemoryGroup:
    """A control group: how much memory its processes may have, and how much they have."""

    FIRST = (b"memory.limit_in_bytes", b"memory.usage_in_bytes", b"total_inactive_file")
    SECOND = (b"memory.max", b"memory.current", b"inactive_file")

    def __init__(self, folder, names):
        self._folder = folder
        self._names = names

    def used_and_limit(self):
        """Bytes in use, without pages of files that the kernel gives back before it kills, and the limit; None without one."""
        limit, used, spare = self._names
        try:
            limit, used = self._number(limit), self._number(used)
            if limit is None or used is None or limit >= 1 << 60:
                return None
            for line in _content(self._folder + b"/memory.stat").splitlines():
                if line.startswith(spare + b" "):
                    used -= int(line.split()[1])
        except (OSError, ValueError):
            return None
        return used, limit

    def _number(self, name):
        text = _content(self._folder + b"/" + name).strip()
        return int(text) if text.isdigit() else None


class _Statistics:
    """What the allocators print of themselves, into a stream that is nothing but memory: no file, no descriptor."""

    def __init__(self):
        self._words = _Pair()
        self._open = _native("open_memstream", _Long, _Long, result=_Long)
        self._close = _native("fclose", _Long)
        self._free = _native("free", _Long)
        self._free.restype = None

    def _printed(self, name, *arguments):
        """What a function of C prints into a stream, its last argument; nothing where there is no such function."""
        if not _address(name):
            return b""
        printing = _native(name, *[_Long] * (len(arguments) + 1))
        words = _ctypes.addressof(self._words)
        stream = self._open(words, words + 8)
        if not stream:
            return b""
        printing(*arguments, stream)
        self._close(stream)
        text = _Text.from_address(words).value
        self._free(self._words[0])
        return text or b""

    def allocators(self):
        """Bytes that the allocators have, and how many of them are in use."""
        memory = {}
        pools = self._printed("_PyObject_DebugMallocStats")
        for mark, field in ((b" bytes/arena", "pools"), (b"# bytes in allocated blocks", "pools_used")):
            line = pools[pools.find(mark) :].partition(b"\n")[0] if mark in pools else b""
            number = line.rpartition(b"=")[2].strip().replace(b",", b"")
            if number.isdigit():
                memory[field] = int(number)
        # After the heaps of the C library, one by one, come their sums.
        _, _, sums = self._printed("malloc_info", 0).rpartition(b"</heap>")
        sizes = {}
        for line in sums.split(b"\n"):
            name, number = line.partition(b" size=")[0].split(b" count=")[0], line.rpartition(b'size="')[2][:-3]
            if number.isdigit():
                sizes[name] = int(number)
        system, mapped = sizes.get(b'<system type="current"'), sizes.get(b'<total type="mmap"', 0)
        if system is not None:
            memory["malloc"] = system + mapped
            memory["malloc_free"] = sizes.get(b'<total type="fast"', 0) + sizes.get(b'<total type="rest"', 0)
        return memory


def _statistics_or_nothing():
    try:
        return _Statistics() if _IS_NATIVE else None
    except CaptureError:
        return None


_statistics = _statistics_or_nothing()


def _allocators():
    """What the allocators say of themselves. To be asked before anything else is allocated."""
    return _statistics.allocators() if _statistics is not None else {}


def _mappings(pid, threads):
    """What is resident of the process's mappings: code, other files, and the stacks of threads.

    `threads` are their numbers in Python, which are addresses at the upper end of their stacks.
    """
    try:
        lines = _content(f"/proc/{pid}/smaps", _MOST_OF_MAPPINGS).split(b"\n")
    except OSError:
        return {}
    threads = sorted([thread for thread in threads if type(thread) is int])
    stacks, by_file, with_code = 0, {}, set()
    file = is_stack = None
    for line in lines:
        if line[:4] == b"Rss:":
            size = _kilobytes(line)
            if is_stack:
                stacks += size
            elif file is not None:
                by_file[file] = by_file.get(file, 0) + size
        elif line[:1] in b"0123456789abcdef" and line:
            first, end, access, inode, path = _mapping(line)
            is_file = inode != b"0" and not path.startswith((b"/dev/shm/", b"/memfd:", b"/SYSV", b"/dev/zero"))
            file = path if is_file else None
            if is_file and b"x" in access:
                with_code.add(path)
            is_stack = path == b"[stack]" or inode == b"0" and any([first <= thread < end for thread in threads])
    code = sum([size for file, size in by_file.items() if file in with_code])
    return {"code": code, "mapped": sum(by_file.values()) - code, "stacks": stacks}


def _mapping(line):
    """The first line of a mapping: where it begins and ends, its access, inode and path."""
    fields = line.split(None, 5)
    first, _, end = fields[0].partition(b"-")
    return int(first, 16), int(end, 16), fields[1], fields[4], fields[5].strip() if len(fields) > 5 else b""


def _content(path, most=1 << 20):
    """The content of a file of the kernel."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        pieces, n = [], 0
        while n < most:
            piece = posix.read(fd, 1 << 20)
            if not piece:
                break
            pieces.append(piece)
            n += len(piece)
        return b"".join(pieces)
    finally:
        posix.close(fd)
