"""Small objects over large memory: each map of memory is 64 KB that no object's size tells."""
import mmap
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["outside_objects", "growing_container"], "type": "mmap", "bytes_per_request": 65_536}


class Arena:
    def __init__(self):
        self.maps = []


def setup():
    global arena
    arena = Arena()


def round(n):
    for _ in range(n):
        memory = mmap.mmap(-1, 65_536)
        memory.write(b"x" * 65_536)
        arena.maps.append(memory)


def holder():
    return Alternatives([arena.maps, arena])


def release():
    arena.maps.clear()
