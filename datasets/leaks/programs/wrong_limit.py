"""A cache with a limit that its eviction compares with the wrong number."""
import collections
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["unbounded_cache", "growing_container"], "type": "Tile"}

numbers = itertools.count(1)


class Tile:
    def __init__(self, x):
        self.x = x
        self.image = b"%d" % x + bytes(800)


class Tiles:
    LIMIT = 50

    def __init__(self):
        self.tiles = collections.OrderedDict()
        self.n_evicted = 0

    def get(self, x):
        tile = self.tiles.get(x)
        if tile is None:
            tile = self.tiles[x] = Tile(x)
            while self.n_evicted > self.LIMIT:
                self.tiles.popitem(last=False)
        return tile


def setup():
    global tiles
    tiles = Tiles()


def round(n):
    for _ in range(n):
        tiles.get(next(numbers))


def holder():
    return Alternatives([tiles.tiles, tiles])


def release():
    tiles.tiles.clear()
