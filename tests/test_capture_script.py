"""The capture script itself: its parts, their order, and single parts alone."""

import builtins
import symtable

import pytest

from capturing import join


def scopes(table):
    yield table
    for child in table.get_children():
        yield from scopes(child)


def used_and_made(text):
    """The global names that a program uses, and those that it binds."""
    table = symtable.symtable(text, "part", "exec")
    made = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used = {symbol.get_name() for scope in scopes(table) for symbol in scope.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or scope is table)}
    return used, made


def test_every_part_is_in_the_order():
    assert sorted(join.names()) == sorted(path.name for path in join.FOLDER.glob("*.py") if path.name != "join.py")


def test_a_part_uses_only_names_of_those_before_it():
    known = set(vars(builtins)) | {"__name__"}
    for name in join.names():
        used, made = used_and_made((join.FOLDER / name).read_text())
        known |= made
        assert used <= known, f"{name} uses {sorted(used - known)}"


def test_a_name_is_made_by_one_part():
    known = {}
    for name in join.names():
        for symbol in used_and_made((join.FOLDER / name).read_text())[1]:
            assert symbol not in known, f"{symbol} is in {known[symbol]} and in {name}"
            known[symbol] = name


def load(*names):
    """The namespace of some parts."""
    space = {"__name__": "heaplake_dump"}
    exec(compile(join.joined([name + ".py" for name in names]), "heaplake_dump.py", "exec"), space)
    return space


class Options:
    def __init__(self, **fields):
        self.__dict__.update(values="short", redact=False, fork=True, compress="none", salt=b"salt")
        self.__dict__.update(fields)


@pytest.mark.parametrize("values, text, number", [
    ("none", "", ""),
    ("short", f', "value": "{"x" * 100}"', ', "value": 7'),
    ("full", f', "value": "{"x" * 150}"', ', "value": 7'),
])
def test_values_alone(values, text, number):
    made = load("head", "values")["_Values"](Options(values=values))
    assert (made.field("x" * 150), made.number(7)) == (text, number)


def test_keys_alone():
    parts = load("head", "values", "masks", "types", "labels")
    options = Options(masks=parts["_Masks"](parts["MASKS"]))
    labels = parts["_Labels"](options, parts["_Values"](options))
    shown = ["['a']", "[7]", "[b'raw']", "[None]", "[(1, 'a')]", "[<int>]", "[<object>]", "[<Key>]"]
    keys = ["a", 7, b"raw", None, (1, "a"), 10**40, object(), type("Key", (str,), {})("text")]
    assert [labels.key(key) for key in keys] == shown
    assert labels.key("x" * 200) == f"['{'x' * 100}…']"
    assert labels.indexes(3) == '"[0]", "[1]", "[2]"'
