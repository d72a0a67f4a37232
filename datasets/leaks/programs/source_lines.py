"""Generated code is put into linecache, so that tracebacks show it; each piece has a name of its own."""
import itertools
import linecache

TRUTH = {"held": False, "leaks": True, "idiom": ["unbounded_cache", "growing_container"], "type": ["tuple", "str", "list"]}

numbers = itertools.count(1)


def compiled(number):
    source = f"def f(x):\n    return x * {number}\n" + f"# made for {number}\n" * 10
    name = f"<generated {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope = {}
    exec(compile(source, name, "exec"), scope)
    return scope["f"]


def setup():
    pass


def round(n):
    for _ in range(n):
        compiled(next(numbers))(2)


def holder():
    return linecache.cache


def release():
    for name in [name for name in linecache.cache if name.startswith("<generated")]:
        del linecache.cache[name]
