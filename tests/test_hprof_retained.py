"""Retained sizes of Java dumps: those of the definition, and what VisualVM's heap library says of the same objects.

The library is the Debian package visualvm; HEAPLAKE_VISUALVM can name its jar (org-graalvm-visualvm-lib-jfluid-heap.jar) elsewhere.
"""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from hprof_definition import Definition
from lake import REPOSITORY, Lake
from test_hprof import leak_classes, needs_jdk, rows, shop, shop_classes  # noqa: F401

VISUALVM = Path(
    os.environ.get(
        "HEAPLAKE_VISUALVM", "/usr/share/visualvm/visualvm/modules/org-graalvm-visualvm-lib-jfluid-heap.jar"
    )
)


@pytest.fixture(scope="module", params=["live", "garbage and all"])
def sampled(request, tmp_path_factory):
    """The definition of a real dump, its objects by address, and some of those that its roots reach."""
    folder = tmp_path_factory.mktemp("retained")
    if request.param == "live":
        dump, _ = request.getfixturevalue("shop")("compressed")
    else:
        # Each array that the list had before refers to what the list has now.
        java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", request.getfixturevalue("leak_classes")]
        subprocess.run([*java, "Leaks", "copied_list", folder / "leak", "all"], check=True, capture_output=True, timeout=120)
        dump = folder / "leak-0.hprof"
    lake = Lake(folder / "lake")
    lake.load(dump, "shop")
    query = "select address, type, size, retained, retained_count, distance, root_kind from obj"
    objects = {row["address"]: row for row in rows(lake, query)}
    definition = Definition(dump)
    alive = definition.reached(definition.roots & objects.keys())
    chance = random.Random(1)
    largest = {}
    for address in sorted(alive):
        row = objects[address]
        if row["retained"] > largest.get(row["type"], row)["retained"] or row["type"] not in largest:
            largest[row["type"]] = row
    # The object of each type that retains most, of the types that retain most; some of the program; and any.
    some = sorted(largest.values(), key=lambda row: -row["retained"])[:40]
    own = [objects[address] for address in sorted(alive) if objects[address]["type"].startswith(("Shop", "Leaks"))]
    some += chance.sample(own, 20) + [objects[address] for address in chance.sample(sorted(alive), 40)]
    return dump, definition, objects, list({row["address"]: row for row in some}.values())


@needs_jdk
def test_retained_sizes_are_those_of_the_definition(sampled):
    """An object retains what is unreachable without it. Garbage, to which no root leads, keeps nothing."""
    _, definition, objects, some = sampled
    roots = definition.roots & objects.keys()
    alive = definition.reached(roots)
    assert alive == {address for address, row in objects.items() if row["distance"] is not None}
    kinds = {row["root_kind"] for row in objects.values()}
    assert "garbage" in kinds and not kinds & {"unreferenced", "cycle"}
    wrong = {}
    for row in some:
        gone = alive - definition.reached(roots, without=row["address"])
        expected = (len(gone), sum(objects[address]["size"] for address in gone))
        if expected != (row["retained_count"], row["retained"]):
            wrong[row["address"]] = (row, expected)
    assert not wrong and len(some) > 60, wrong
    assert any(row["retained_count"] > 1000 for row in some) or max(row["retained"] for row in some) > 100_000


@needs_jdk
@pytest.mark.skipif(not VISUALVM.exists(), reason=f"no {VISUALVM.name} (Debian: visualvm; or HEAPLAKE_VISUALVM)")
def test_visualvm_agrees_or_differs_by_its_rules(sampled, tmp_path):
    """VisualVM counts weak references as strong, knows no objects but those that a root of the file reaches, and has the sizes of
    fields alone for classes and for classes to which the VM adds fields. By the definition with these rules it agrees."""
    dump, definition, objects, some = sampled
    program = REPOSITORY / "tests/java/VisualVm.java"
    subprocess.run(
        ["javac", "-nowarn", "-Xlint:none", "-cp", VISUALVM, "-d", tmp_path, program], check=True, capture_output=True
    )
    # It leaves a cache beside the dump.
    copy = shutil.copy(dump, tmp_path / "copy.hprof")
    java = ["java", "-Xmx512m", "-cp", f"{VISUALVM}{os.pathsep}{tmp_path}", "VisualVm", copy]
    asked = "".join(f"{address}\n" for address in objects)
    answer = subprocess.run(java, input=asked, capture_output=True, text=True, check=True, timeout=120).stdout
    sizes, retained = {}, {}
    for line in answer.splitlines():
        address, size, total = map(int, line.split())
        sizes[address], retained[address] = size, total
    roots = definition.roots & objects.keys()
    alive = definition.reached(roots, weak=True, class_fields=False)
    n_same = n_by_rule = 0
    wrong = []
    for row in some:
        address = row["address"]
        gone = alive - definition.reached(roots, without=address, weak=True, class_fields=False)
        by_rule = sum(sizes.get(other, objects[other]["size"]) for other in gone)
        n_same += retained.get(address) == row["retained"]
        n_by_rule += retained.get(address) == by_rule
        is_plain = row["type"].startswith("Shop") and row["type"] != "java.lang.Class"
        if is_plain and retained.get(address) not in (row["retained"], by_rule):
            wrong.append((row, retained.get(address), by_rule))
    assert not wrong
    assert n_by_rule >= 0.8 * len(some), (n_by_rule, len(some))
    assert n_same >= 0.5 * len(some), (n_same, len(some))
    print(f"of {len(some)} objects: the same {n_same}, by its rules {n_by_rule}")
