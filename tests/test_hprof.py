"""Heap dumps of the JVM: a program with a known object graph is dumped by the JDK that is there, and its own histogram of the
same moment is the truth for sizes. Without a JDK these tests are skipped; those of real files in datasets/ run always."""

import json
import lzma
import re
import shutil
import subprocess

import pytest

from lake import REPOSITORY, Lake

PROGRAM = REPOSITORY / "tests/java/Shop.java"
DATASETS = REPOSITORY / "datasets/hprof"
MEMORY = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:MarkSweepDeadRatio=0"]
LAYOUTS = {
    "compressed": [],
    "wide": ["-XX:-UseCompressedOops", "-XX:-UseCompressedClassPointers"],
    "wide references": ["-XX:-UseCompressedOops"],
    "sixteen": ["-XX:ObjectAlignmentInBytes=16"],
}

needs_jdk = pytest.mark.skipif(
    not all(map(shutil.which, ["java", "javac", "jcmd"])), reason="no JDK (java, javac, jcmd) is on the path"
)


@pytest.fixture(scope="session")
def shop_classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    programs = [PROGRAM, *(PROGRAM.with_name(f"{name}.java") for name in ["Contended", "Redeploy"])]
    subprocess.run(["javac", "-nowarn", "-d", folder, *programs], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def shop(shop_classes, tmp_path_factory):
    """The dump and the histogram of a program, by the layout of its objects."""
    made = {}

    def of(layout):
        if layout not in made:
            out = tmp_path_factory.mktemp("shop") / "shop"
            java = ["java", *MEMORY, *LAYOUTS[layout], "-cp", shop_classes, "Shop", out]
            subprocess.run(java, check=True, capture_output=True, timeout=120)
            made[layout] = (out.with_suffix(".hprof"), histogram(out.with_suffix(".txt").read_text()))
        return made[layout]

    return of


@pytest.fixture(scope="session")
def shop_lake(shop, tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("shop-lake") / "lake")
    lake.load(shop("compressed")[0], "shop")
    return lake


def rows(lake, query, *args):
    """The rows of a query by column."""
    return [json.loads(line) for line in lake.ok("sql", "--format", "ndjson", *args, query).splitlines()]


def one(lake, query, *args):
    (row,) = rows(lake, query, *args)
    return row


def histogram(text):
    """Type to instances and bytes, as GC.class_histogram prints them."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*\d+:\s+(\d+)\s+(\d+)\s+(\S+)", line)
        if match:
            name = programmers_name(match[3])
            count, size = found.get(name, (0, 0))
            found[name] = (count + int(match[1]), size + int(match[2]))
    return found


def programmers_name(name):
    dimensions = len(name) - len(name.lstrip("["))
    element = name[dimensions:]
    if dimensions:
        primitive = dict(Z="boolean", C="char", F="float", D="double", B="byte", S="short", I="int", J="long")
        element = element[1:-1] if element.startswith("L") else primitive[element]
    element = re.sub(r"(\$\$Lambda)\$\d+|", lambda m: m[1] or "", element)
    element = re.sub(r"[/+]0x[0-9a-f]+$", "", element)
    return element + "[]" * dimensions


@needs_jdk
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sizes_are_those_of_the_histogram(lake, shop, layout):
    dump, truth = shop(layout)
    lake.load(dump, "shop")
    wrong = {}
    for row in rows(lake, "select type, count, size from type_stat"):
        count, size = truth.get(row["type"], (0, 0))
        if count and count == row["count"] and size != row["size"]:
            wrong[row["type"]] = (row["size"], size, count)
    assert not wrong, wrong
    found = {row["type"]: row["count"] for row in rows(lake, "select type, count from type_stat")}
    for name in ["Shop$Order", "Shop$Order$Line", "Shop$Leaf", "java.util.HashMap$Node", "java.lang.Class"]:
        assert found[name] == truth[name][0], name
    # Between the dump and the histogram the program itself makes a few objects.
    total = sum(size for _, size in truth.values())
    assert abs(total - one(lake, "select sum(size) as size from obj")["size"]) < total / 50
    info = lake.ok("info", "shop")
    assert "layout" in info and "byte headers" in info, info


CONTENDED = {
    "java.util.concurrent.ConcurrentHashMap$CounterCell",
    "java.util.concurrent.Exchanger$Node",
    "java.util.concurrent.ForkJoinPool",
    "java.util.concurrent.ForkJoinPool$WorkQueue",
    "java.util.concurrent.SubmissionPublisher$BufferedSubscription",
    "java.util.concurrent.atomic.Striped64$Cell",
}


@needs_jdk
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sizes_of_padded_classes_are_those_of_the_histogram(lake, shop_classes, tmp_path, layout):
    packages = ["java.util.concurrent", "java.util.concurrent.atomic"]
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in packages]
    java = ["java", *MEMORY, *LAYOUTS[layout], *opened, "-cp", shop_classes, "Contended", tmp_path / "padded"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    truth = histogram((tmp_path / "padded.txt").read_text())
    lake.load(tmp_path / "padded.hprof", "padded")
    found = {row["type"]: (row["count"], row["size"]) for row in rows(lake, "select type, count, size from type_stat")}
    assert {name: found[name] for name in CONTENDED} == {name: truth[name] for name in CONTENDED}
    # Neighbours mend a size that is too large, so that the sizes by the layout alone are looked at as well.
    lake.ok("import", "--dump", "given", "--layout", GIVEN[layout], tmp_path / "padded.hprof")
    given = {row["type"]: (row["count"], row["size"]) for row in rows(lake, "select type, count, size from type_stat", "--dump", "given")}
    assert {name: given[name] for name in CONTENDED} == {name: truth[name] for name in CONTENDED}


GIVEN = {
    "compressed": "header=12,arrays=16,references=4,alignment=8,fields=gaps",
    "wide": "header=16,arrays=24,references=8,alignment=8",
    "wide references": "header=12,references=8",
    "sixteen": "references=4,alignment=16",
}


@needs_jdk
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_can_be_given(lake, shop, layout):
    dump, truth = shop(layout)
    lake.load(dump, "found")
    lake.ok("import", "--dump", "given", "--layout", GIVEN[layout], dump)
    sizes = {
        name: {row["type"]: (row["count"], row["size"]) for row in rows(lake, "select type, count, size from type_stat", "--dump", name)}
        for name in ["found", "given"]
    }
    wrong = {name: (size, truth[name]) for name, size in sizes["given"].items() if name in truth and truth[name][0] == size[0]
             and size != truth[name]}
    assert not wrong, wrong
    assert sizes["given"] == sizes["found"]
    found, given = (json.loads(lake.ok("info", "--format", "json", name))[0]["layout"] for name in ["found", "given"])
    keys = ", ".join(part.split("=")[0] for part in GIVEN[layout].split(","))
    assert given.replace(f" ({keys} as given)", "") == found, given


@needs_jdk
def test_a_wrong_layout_is_used_and_shown(lake, shop):
    dump, _ = shop("compressed")
    lake.ok("import", "--dump", "wrong", "--layout", "header=16,references=8", dump)
    assert one(lake, "select size from obj where type = 'Shop$Leaf' limit 1")["size"] > 32
    layout = lake.manifest("wrong")["process"]["layout"]
    assert layout.startswith("16-byte headers, ") and "header, references as given" in layout, layout
    message = lake.fails("import", "--layout", "references=3", dump)
    assert "references=3 is not possible; it is 4 or 8" in message, message


@needs_jdk
def test_dumps_in_one_file_are_imported_one_by_one(lake, shop, tmp_path):
    one_dump, other = (shop(layout)[0].read_bytes() for layout in ["compressed", "sixteen"])
    # What a JVM writes is a header and records, so that the records of two are a file with two dumps.
    file = tmp_path / "both.hprof"
    file.write_bytes(one_dump + other[31:])
    message = lake.fails("import", file)
    assert "holds 2 heap dumps" in message and "--part 1 to --part 2" in message, message
    assert lake.dumps() == []
    for part in "12":
        lake.ok("import", "--part", part, file)
    assert lake.dumps() == ["both", "both_2"]
    assert "heap dump 2 of the file" in lake.ok("info", "both_2")
    lake.load(shop("sixteen")[0], "alone")
    query = "select type, count, size from type_stat order by 1"
    assert rows(lake, query, "--dump", "both_2") == rows(lake, query, "--dump", "alone")
    assert "there is no heap dump 3 in the file; it holds 2" in lake.fails("import", "--part", "3", file)


@needs_jdk
def test_the_object_graph_is_that_of_the_program(shop_lake):
    assert one(shop_lake, "select count(*) as n from obj where type = 'Shop$Order'")["n"] == 100
    cache = one(
        shop_lake,
        "select o.address, o.type, o.len from obj c join edge e on e.parent = c.address join obj o on o.address = e.child "
        "where c.type = 'java.lang.Class' and c.name = 'Shop' and e.label = '.CACHE'"
    )
    assert (cache["type"], cache["len"]) == ("java.util.HashMap", 100)
    labels = rows(shop_lake, 
        "select e.label, c.type, c.value from obj o join edge e on e.parent = o.address join obj c on c.address = e.child "
        "join edge n on n.parent = o.address and n.label = '.note' join obj s on s.address = n.child "
        "where o.type = 'Shop$Order' and s.value = 'note 7' order by e.idx"
    )
    # In the order of the file, which is that of the VM.
    assert {(row["label"], row["type"], row["value"]) for row in labels} == {
        (".note", "java.lang.String", "note 7"),
        (".status", "Shop$Status", "PAID"),
        (".lines", "java.util.ArrayList", None),
        (".next", "Shop$Order", None),
    }
    kinds = rows(shop_lake, 
        "select distinct e.kind, o.type from edge e join obj o on o.address = e.parent "
        "where e.label = '.referent' and o.type in ('java.lang.ref.SoftReference', 'java.lang.ref.WeakReference', "
        "'java.lang.ref.PhantomReference', 'java.lang.ref.Finalizer') order by e.kind"
    )
    found = {(row["kind"], row["type"].rsplit(".")[-1]) for row in kinds}
    assert {("soft", "SoftReference"), ("weak", "WeakReference"), ("phantom", "PhantomReference")} <= found
    assert one(shop_lake, "select count(*) as n from obj where value = '例 😀'")["n"] == 1
    assert one(shop_lake, "select len from obj where value = '例 😀'")["len"] == 4
    lens = rows(shop_lake, 
        "select o.type, o.len from obj m join edge e on e.parent = m.address join obj o on o.address = e.child "
        "where m.type = 'java.lang.Object[]' and o.type in ('java.util.concurrent.ConcurrentHashMap', 'java.util.LinkedHashSet', 'long[]') "
        "and exists (select 1 from edge s join obj l on l.address = s.parent where s.child = m.address and l.len = 66)"
    )
    assert sorted((row["type"], row["len"]) for row in lens) == [
        ("java.util.LinkedHashSet", 3),
        ("java.util.concurrent.ConcurrentHashMap", 2),
        ("long[]", 7),
    ]


@needs_jdk
def test_paths_begin_at_threads_and_frames(shop_lake):
    held = one(shop_lake, "select address, root_kind, retained from obj where type = 'Shop$Held'")
    assert held["root_kind"].startswith("thread cart-worker, Shop.hold(Shop.java:")
    assert held["retained"] >= 100_000
    # What the frame holds is a root itself: the path begins there.
    text = shop_lake.ok("path", "--dump", "shop", "root ..> (b: byte[] WHERE len = 100000)")
    assert "cart-worker" in text and "-.bytes->" in text, text
    text = shop_lake.ok("path", "--dump", "shop", "Shop$Order -.lines-> java.util.ArrayList ..> Shop$Order$Line")
    assert ".lines" in text, text
    threads = rows(shop_lake, "select name, root_kind from obj where type = 'java.lang.Thread' and root_kind like 'thread%'")
    assert {"main", "cart-worker"} <= {row["name"] for row in threads}


@needs_jdk
def test_fields_are_kept_on_demand(shop_lake, shop, tmp_path):
    message = shop_lake.fails("sql", "--dump", "shop", "select count(*) from field")
    assert "no table of fields" in message and "--fields" in message, message
    assert "--fields" in shop_lake.fails("sql", "--dump", "shop", "select * from fields('Shop$Leaf')")
    lake = Lake(tmp_path / "lake")
    lake.ok("import", "--fields", "--dump", "shop", shop("compressed")[0])
    leaves = rows(lake, "select * from fields('Shop$Leaf')")
    assert len(leaves) == 50
    assert {json.dumps({k: v for k, v in leaf.items() if k != "address"}, sort_keys=True) for leaf in leaves} == {
        json.dumps({"flag": 1, "id": 0, "count": 2, "on": True, "code": 3, "rate": 0.5, "mark": "x"}, sort_keys=True)
    }
    rates = [row["rate"] for row in rows(lake, "select cast(rate as varchar) as rate from fields('Shop$Rate')")]
    assert sorted(rates) == sorted(row["rate"] for row in rows(lake, "select cast(float as varchar) as rate from field where type = 'Shop$Rate' and name = 'rate'"))
    # JSON has no number for some of them.
    found = rows(lake, "select sum(cast(rate = '-Infinity'::double as int)) as low, sum(cast(isnan(rate) as int)) as none, "
                       "sum(cast(small = '-Infinity'::double as int)) as small, count(rate) as n from fields('Shop$Rate')")
    assert found == [{"low": 1, "none": 1, "small": 2, "n": 6}]
    # A name without its package, and a column whose name has capital letters.
    maps = rows(lake, """select f.address, f.size, f."modCount", o.len from fields('HashMap') f join obj o on o.address = f.address""")
    assert maps and all(row["size"] == row["len"] for row in maps)
    assert one(lake, "select count(*) as n from fields('java.util.HashMap') where threshold > 100")["n"] >= 1
    ids = rows(lake, "select field_value(address, 'id') as id, field_value(address, 'note') as note from obj where type = 'Shop$Order'")
    assert {row["note"] for row in ids} == {f"note {row['id']}" for row in ids} and len(ids) == 100
    assert one(lake, "select field_value(address, 'on') as x from obj where type = 'Shop$Leaf' limit 1")["x"] == "true"
    assert one(lake, "select field_value(address, 'nothing') as x from obj where type = 'Shop$Leaf' limit 1")["x"] is None
    statics = rows(lake, "select integer from field where type = 'java.lang.Class' and name = 'MAX_VALUE' and kind = 'byte'")
    assert {row["integer"] for row in statics} == {127}
    assert "did you mean" in lake.fails("sql", "select * from fields('HashMpa')")
    assert lake.ok("verify")
    small = Lake(tmp_path / "small")
    small.ok("import", "--fields", "--dump", "shop", "--memory-limit", "16MB", shop("compressed")[0])
    same = "select type, name, count(*) as n, sum(integer) as i, sum(float) as f from field group by 1, 2 order by 1, 2"
    assert rows(lake, same) == rows(small, same)
    small.ok("import", "--dump", "next", shop("compressed")[0])
    small.ok("prune", "--keep-last", "1", "--keep-summaries")
    assert "pruned" in small.fails("sql", "--dump", "shop", "select count(*) from field")
    assert one(small, "select count(*) as n from shop.thread where name = 'main'") == {"n": 1}
    small.ok("rm", "shop", "next")
    assert not [path for path in small.path.rglob("*.parquet")]


@needs_jdk
def test_threads_have_states_stacks_and_what_their_frames_hold(shop_lake):
    threads = {row["name"]: row for row in rows(shop_lake, "select * from thread")}
    worker = threads["cart-worker"]
    assert (worker["state"], worker["virtual"]) == ("WAITING", False)
    stack = worker["stack"].splitlines()
    assert any(frame.startswith("Shop.hold(Shop.java:") for frame in stack) and stack[-1].startswith("java.lang.Thread.run(")
    assert threads["main"]["state"] == "RUNNABLE"
    assert one(shop_lake, f"select name from obj where address = {worker['address']}")["name"] == "cart-worker"
    lines = json.loads(shop_lake.ok("run", "threads", "thread=cart-worker", "--format", "json"))
    total, rest = lines[0], lines[1:]
    assert total["thread"] == "cart-worker" and total["state"] == "WAITING" and total["retained"] >= 100_000
    frames = [(line["frame"], f"{line['function']}({line['line']})") for line in rest if line["function"]]
    assert frames == list(enumerate(stack))
    (held,) = [line for line in rest if line["type"] == "Shop$Held"]
    assert stack[held["frame"]].startswith("Shop.hold(")
    (frame,) = [line for line in rest if line["function"] == "Shop.hold"]
    assert frame["retained"] >= held["retained"] >= 100_000


@needs_jdk
def test_trees_trends_and_diffs_name_what_holds(shop_lake, shop, tmp_path):
    assert "Shop" in shop_lake.ok("tree", "--dump", "shop")
    assert "Shop$Held" in shop_lake.ok("top", "--dump", "shop")
    again = Lake(tmp_path / "lake")
    again.load(shop("compressed")[0], "before")
    again.load(shop("compressed")[0], "after")
    again.ok("diff", "before", "after", "--by", "holder")
    again.ok("trend")
    holders = {row["holder"] for row in rows(again, "select holder from history.holder_stat where dump = 'before'")}
    assert not [holder for holder in holders if "0x" in holder], "a holder has an address"


@needs_jdk
def test_class_loaders_are_held_by_what_holds_them(lake, shop_classes, tmp_path):
    java = ["java", *MEMORY, "-cp", shop_classes, "Redeploy", f"{shop_classes}/", tmp_path / "redeploy.hprof"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.load(tmp_path / "redeploy.hprof", "redeploy")
    plugins = rows(lake, "select address from obj where type = 'java.lang.Class' and name = 'Redeploy$Plugin'")
    assert len(plugins) == 10
    # What reflection keeps of a class is not a root: it belongs to the class.
    kinds = "root_kind = 'garbage'"
    hidden = rows(lake, f"select type, count(*) as n from obj where {kinds} and type like '%Reference' or {kinds} and type like '%Repository' group by 1")
    assert hidden == []
    fields = rows(
        lake,
        "select e.label, o.type, count(distinct e.parent) as n from edge e join obj c on c.address = e.parent join obj o on o.address = e.child "
        "where c.name = 'Redeploy$Plugin' and e.label in ('.reflectionData', '.genericInfo') group by 1, 2 order by 1",
    )
    assert [(row["label"], row["type"], row["n"]) for row in fields] == [
        (".genericInfo", "sun.reflect.generics.repository.ClassRepository", 10),
        (".reflectionData", "java.lang.ref.SoftReference", 10),
    ]
    text = lake.ok("path", "root ..> java.net.URLClassLoader")
    assert ".hooks" in text and "SoftReference" not in text, text
    freed = rows(lake, "select address, type from whatif_cut('label = ''.hooks''')")
    assert {row["address"] for row in plugins} <= {row["address"] for row in freed}
    assert sum(row["type"] == "java.net.URLClassLoader" for row in freed) == 10


@needs_jdk
@pytest.mark.parametrize("extra", [[], ["-gz=1"], ["-all"]], ids=["plain", "gz", "all"])
def test_dumps_of_jcmd(lake, shop_classes, tmp_path, extra):
    out = tmp_path / "own"
    java = ["java", *MEMORY, "-cp", shop_classes, "Shop", out, "wait"]
    with subprocess.Popen(java, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            pid = program.stdout.readline().strip()
            file = tmp_path / "jcmd.hprof"
            done = subprocess.run(["jcmd", pid, "GC.heap_dump", *extra, file], capture_output=True, text=True, timeout=60)
            assert file.exists(), done.stdout + done.stderr
        finally:
            program.stdin.close()
    lake.load(file, "jcmd")
    assert one(lake, "select count(*) as n from obj where type = 'Shop$Order'")["n"] == 100
    if extra == ["-gz=1"]:
        source = lake.manifest("jcmd")["source"]
        assert (source["compression"], source["bytes"]) == ("gzip", file.stat().st_size)


MANIFEST = json.loads((DATASETS / "manifest.json").read_text())


@pytest.mark.parametrize("dump", MANIFEST, ids=lambda dump: dump["path"])
def test_real_files_have_what_another_tool_counts(lake, dump):
    lake.load(DATASETS / dump["path"], "real")
    arrays = "type like '%[]'"
    count = lambda where: one(lake, f"select count(*) as n from obj where {where}")["n"]
    primitive = "type in ('boolean[]', 'char[]', 'float[]', 'double[]', 'byte[]', 'short[]', 'int[]', 'long[]')"
    assert count(primitive) == dump["primitive_arrays"]
    assert count(f"{arrays} and not {primitive}") == dump["object_arrays"]
    # Classes and the instances that stand for primitive types have one type.
    assert count(f"not {arrays}") == dump["classes"] + dump["instances"]
    kinds = {row["kind"] for row in rows(lake, "select distinct kind from root")}
    assert {"system class", "JNI global"} <= kinds
    assert any(kind.startswith("thread ") and ".java:" in kind for kind in kinds), kinds
    assert one(lake, "select count(*) as n from issue")["n"] == 0


@pytest.mark.parametrize("dump", MANIFEST[:1], ids=lambda dump: dump["path"])
def test_a_damaged_file_is_refused_and_kept_on_demand(lake, dump, tmp_path):
    whole = lzma.decompress((DATASETS / dump["path"]).read_bytes())
    (tmp_path / "cut.hprof").write_bytes(whole[: len(whole) * 2 // 3])
    message = lake.fails("import", tmp_path / "cut.hprof")
    assert "byte" in message and "--on-error skip" in message, message
    assert lake.dumps() == []
    lake.ok("import", "--on-error", "skip", tmp_path / "cut.hprof")
    assert one(lake, "select count(*) as n from issue where kind = 'truncated'")["n"] == 1


@pytest.fixture(scope="session")
def entries_lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("entries")
    program = REPOSITORY / "tests/java/Entries.java"
    subprocess.run(["javac", "-nowarn", "-d", folder, program], check=True, capture_output=True)
    dump = folder / "entries.hprof"
    subprocess.run(["java", *MEMORY, "-cp", folder, "Entries", dump], check=True, capture_output=True, timeout=120)
    lake = Lake(folder / "lake")
    lake.ok("import", "--fields", "--dump", "entries", dump)
    lake.without_fields = Lake(folder / "without")
    lake.without_fields.ok("import", "--dump", "entries", dump)
    return lake


def reached(lake, pattern, asked=None):
    """Of which collections the items are that a pattern leads to, and their numbers. `asked` is a lake with the same file, without
    the fields that say them."""
    pattern = pattern.replace("'", "''")
    ends = rows(asked or lake, f"select address from path('REACH {pattern} Entries$Item')")
    some = ", ".join(str(row["address"]) for row in ends) or "0"
    found = rows(
        lake,
        "select field_value(address, 'of') as of, cast(field_value(address, 'id') as bigint) as id "
        f"from obj where address in ({some}) order by 1, 2",
    )
    items = {}
    for row in found:
        items.setdefault(row["of"], []).append(row["id"])
    return items


MAPS = {"hash", "linked", "tree", "table", "concurrent", "weak", "own", "unmodifiable", "synchronizedMap", "identity", "some", "skip",
        "checked", "sorted", "navigable"}
ONE_KEY = {"one", "single"}
LISTS = {"arrayList", "vector", "linkedList", "asList", "listOf", "copyOnWrite", "wrapped", "plain", "stack", "deque", "turned",
         "queued", "blockingDeque", "linkedBlocking", "ring", "heap", "heapBlocking"}
FORTY = {"bin", "concurrentBin"}
BAGS = FORTY | {"days", "hashSet", "linkedSet", "setOf", "keySet", "queue", "blocking", "array", "identitySet", "skipSet", "heap"}


@needs_jdk
def test_entries_of_collections_are_walked_by_key_and_index(entries_lake):
    lake = entries_lake
    assert reached(lake, 'Entries$Maps -> * -["key-0"]->') == {name: [0] for name in MAPS | ONE_KEY}
    assert reached(lake, "Entries$Maps -> * -['key-3']->") == {name: [3] for name in MAPS}
    assert reached(lake, 'Entries$Maps -> * -["key-9"]->') == {"other": [8]}
    assert reached(lake, 'Entries$Maps -> * -["key-8"]->') == {}
    assert reached(lake, 'Entries$Bags -> * -["TUE"]->') == {"days": [1]}
    assert reached(lake, 'Entries$Bags -> * -["THU"]->') == {"days": [3], "otherDays": [3]}
    assert reached(lake, "Entries$Lists -> * -[2]->") == {name: [2] for name in LISTS}
    assert reached(lake, "Entries$Lists -> * -[0]->") == {name: [0] for name in LISTS | {"two", "only"}}
    assert reached(lake, "Entries$Lists -> * -[1]->") == {name: [1] for name in LISTS | {"two"}}
    everything = {name: [0, 1, 2, 3] for name in LISTS} | {"two": [0, 1], "only": [0]}
    assert reached(lake, "Entries$Lists -> * -[*]->") == everything
    everything = {name: list(range(40 if name in FORTY else 4)) for name in BAGS} | {"otherDays": [3]}
    assert reached(lake, "Entries$Bags -> * -[*]->") == everything
    everything = {name: [0, 1, 2, 3] for name in MAPS} | {name: [0] for name in ONE_KEY} | {"other": [8, 9]}
    assert reached(lake, "Entries$Maps -> * -[*]->") == everything
    # Mirrored, and with the objects in between as hops.
    up = rows(lake, "select distinct type from path('REACH (i: Entries$Item WHERE field_value(i.address, ''of'') = ''hash'') <-[\"key-1\"]- *')")
    assert [row["type"] for row in up] == ["java.util.HashMap"]
    text = lake.ok("path", "Entries$Maps -.tree-> * -['key-2']-> Entries$Item")
    assert "TreeMap$Entry" in text and "-.value->" in text, text
    text = lake.ok("path", "Entries$Maps -.identity-> * -['key-2']-> Entries$Item")
    assert "IdentityHashMap" in text and "-.table-> java.lang.Object[]" in text, text
    # The join form has the same answer.
    for pattern, n in [
        ("Entries$Lists -> * -[*]-> Entries$Item", 4 * len(LISTS) + 3),
        ("Entries$Maps -> * -['key-1']-> Entries$Item", len(MAPS)),
        ("Entries$Lists -> * -[1]-> Entries$Item", len(LISTS) + 1),
    ]:
        found = [
            set(lake.ok("path", "--plan", plan, "--format", "csv", f"REACH {pattern}").splitlines()) for plan in ["index", "join"]
        ]
        assert found[0] == found[1] and len(found[0]) == 1 + n, pattern


@needs_jdk
def test_entries_of_long_lists_full_rings_and_parts_of_lists(entries_lake):
    at = lambda index, asked=None: reached(entries_lake, f"Entries$Others -> * -[{index}]->", asked)
    without = entries_lake.without_fields
    parts = {"arrayPart", "asListPart", "vectorPart", "listOfPart"}
    long = {"longList", "longQueue"}
    for index in [0, 3]:
        expected = {name: [index + 7] for name in parts} | {name: [index] for name in long}
        assert at(index) == expected | {"full": [index]}
        # Where a range or the beginning of a full ring is, only numbers say.
        assert at(index, without) == {name: [index] for name in long}
    # Behind the end of a part its list goes on.
    assert at(4) == {name: [4] for name in long}
    for index in [100, 101, 399]:
        assert at(index) == at(index, without) == {name: [index] for name in long}
    # A node without value counts.
    assert at(200) == {name: [200] for name in long | {"withNulls"}}
    assert at(400) == {}
    everything = reached(entries_lake, "Entries$Others -> * -[*]->")
    assert everything["pushed"] == [0, 1, 2, 3] and everything["full"] == [0, 1, 2, 3]
    up = "select distinct type from path('REACH (i: Entries$Item WHERE field_value(i.address, ''of'') = ''longList'') <-[399]- *')"
    assert [row["type"] for row in rows(entries_lake, up)] == ["java.util.LinkedList"]


@needs_jdk
def test_indexes_of_rings_and_queues_need_no_fields(entries_lake):
    for index in range(4):
        found = reached(entries_lake, f"Entries$Lists -> * -[{index}]->", entries_lake.without_fields)
        assert {name: found[name] for name in LISTS} == {name: [index] for name in LISTS}


@needs_jdk
def test_holders_are_named_without_what_collections_consist_of(entries_lake):
    holders = {row["holder"]: row for row in rows(entries_lake, "select holder, count, size from holder_stat")}
    below = {holder.split("Entries$", 1)[1]: row for holder, row in holders.items() if " -> Entries$Maps maps" in holder or " -> Entries$Lists lists" in holder or " -> Entries$Bags bags" in holder}
    found = {holder for holder in below if holder.endswith("Entries$Item") or " Entries$Item " in holder.rsplit(" -> ", 1)[-1] + " "}
    assert found, below
    inside = ["Node", "TreeNode", "TreeMap$Entry", "LinkedHashMap$Entry", "$TreeBin", "Object[]", "Hashtable$Entry", "WeakHashMap$Entry"]
    wrong = [holder for holder in found if any(f"{word} " in holder or f"{word}[]" in holder for word in inside)]
    assert not wrong, wrong
    # What is left out is part of the collection: its size is that of all of them.
    assert one(entries_lake, "select sum(size) as n from holder_stat")["n"] == one(entries_lake, "select sum(size) as n from obj")["n"]


LEAKS = """static_map unbounded_map_cache listeners growing_list thread_local_in_pool timer_task inner_class direct_buffer jdbc_statement
interned_string class_loader finalizer_queue weak_value_holds_key cleared_references shutdown_hook object_stream""".split()


#: The static fields that hold what leaks.
STATICS = {
    "static_map": "SESSIONS",
    "unbounded_map_cache": "RESULT_CACHE",
    "listeners": "BUTTON.listeners",
    "growing_list": "HISTORY",
    "inner_class": "INNERS",
    "jdbc_statement": "STATEMENTS",
    "interned_string": "INTERNED",
    "class_loader": "LOADERS",
    "cleared_references": "SEEN",
}


@pytest.fixture(scope="session")
def leak_classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaks")
    sources = [REPOSITORY / "tests/java" / name for name in ("Leaks.java", "Filled.java")]
    subprocess.run(["javac", "-nowarn", "-d", folder, *sources], check=True, capture_output=True)
    return folder


@needs_jdk
@pytest.mark.parametrize("leak", LEAKS)
def test_the_ways_in_which_java_leaks_have_names(lake, leak_classes, tmp_path, leak):
    java = ["java", *MEMORY, "-cp", leak_classes, "Leaks", leak, tmp_path / "dump"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.ok("import", *(tmp_path / f"dump-{n}.hprof" for n in range(3)))
    suspects = rows(lake, "select idiom, confidence, held_by from suspects('*') order by rank limit 1")
    assert [row["idiom"] for row in suspects] == [leak], suspects
    assert suspects[0]["confidence"] > 0.5
    # As the program reaches it: by its class, whatever loader or table is on another way.
    if leak in STATICS:
        assert suspects[0]["held_by"] == f"Leaks.{STATICS[leak]}", suspects


@needs_jdk
def test_a_subclass_of_a_map_with_weak_keys_is_one(lake, leak_classes, tmp_path):
    java = ["java", *MEMORY, "-cp", leak_classes, "Leaks", "weak_subclass", tmp_path / "dump"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.load(tmp_path / "dump-0.hprof", "dump")
    first = json.loads(lake.ok("suspects", "--format", "json", "dump"))[0]
    assert (first["basis"], first["held_by"], first["idiom"]) == ("proved", "Leaks.OF_A_SUBCLASS", "weak_value_holds_key"), first


@needs_jdk
def test_what_all_threads_of_a_pool_keep_is_one_suspect(lake, leak_classes, tmp_path):
    java = ["java", *MEMORY, "-cp", leak_classes, "Leaks", "thread_local_in_pool", tmp_path / "dump"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.ok("import", *(tmp_path / f"dump-{n}.hprof" for n in range(3)))
    dumps = ["dump_0", "dump_1", "dump_2"]
    first, *others = json.loads(lake.ok("suspects", "--format", "json", *dumps))
    assert first["count"] == 6000 and first["count_growth"] == 4000, first
    assert re.fullmatch(r"\(thread pool-1-thread-\d\)\.threadLocals\.value", first["held_by"]), first
    assert any("likewise in 3 other threads" in fact for fact in first["evidence"]), first
    assert not [other for other in others if other["confidence"] >= 0.5], others
    # The cut is of all of them.
    sessions = one(lake, "select sum(retained) as bytes from obj where type = 'Leaks$Session'", "--dump", "dump_2")["bytes"]
    cut = next(query for query in first["queries"] if "whatif" in query).split("--cut ")[1].split("'")[1]
    freed = one(lake, f"select sum(size) as bytes from whatif_cut('{cut}')", "--dump", "dump_2")["bytes"]
    assert freed >= sessions and first["retained"] >= sessions, (freed, sessions, first)


@needs_jdk
@pytest.mark.parametrize(["program", "said"], [
    ("expiring", "still there"), ("batch", "still there"), ("soft_cache", "soft references"), ("ring", "length is 10,000"), ("weak_map", "keys are weak"),
])
def test_what_java_programs_let_go_is_no_suspect(lake, leak_classes, tmp_path, program, said):
    """Sessions that end, of which more and more come; references of a class that extends SoftReference; an array, which cannot grow."""
    java = ["java", *MEMORY, "-cp", leak_classes, "Leaks", program, tmp_path / "dump"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.ok("import", *(tmp_path / f"dump-{n}.hprof" for n in range(3)))
    suspects = json.loads(lake.ok("suspects", "--format", "json", "--min-confidence", "0", "dump_0", "dump_1", "dump_2"))
    assert not [suspect for suspect in suspects if suspect["confidence"] >= 0.5], suspects
    assert said in " ".join(fact for suspect in suspects for fact in suspect["evidence"]), suspects


@needs_jdk
@pytest.mark.parametrize(["program", "of"], [("array_of_maps", "Session"), ("pooled", "OrderStatement")])
def test_what_bounds_an_array_or_a_queue_bounds_nothing_below_it(lake, leak_classes, tmp_path, program, of):
    java = ["java", *MEMORY, "-cp", leak_classes, "Leaks", program, tmp_path / "dump"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.ok("import", *(tmp_path / f"dump-{n}.hprof" for n in range(3)))
    for dumps in [["dump_1", "dump_2"], ["dump_0", "dump_1", "dump_2"]]:
        first = json.loads(lake.ok("suspects", "--format", "json", *dumps))[0]
        assert first["type"] == f"Leaks${of}" and first["count"] == 6000, first
        assert first["confidence"] >= 0.8 and re.match(r"Leaks\.(SHARDS|POOLED)", first["held_by"]), first


@needs_jdk
def test_whether_an_array_is_made_longer_is_seen_in_a_third_dump(lake, leak_classes, tmp_path):
    """Between the second dump and the third it is not: 4,000 and 6,000 of 8,192 places are taken."""
    java = ["java", *MEMORY, "-cp", leak_classes, "Leaks", "own_stack", tmp_path / "dump"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.ok("import", *(tmp_path / f"dump-{n}.hprof" for n in range(3)))
    of = lambda *dumps: json.loads(lake.ok("suspects", "--format", "json", "--min-confidence", "0", *dumps))[0]
    first = of("dump_0", "dump_2")
    assert first["held_by"] == "Leaks.stack" and first["confidence"] >= 0.8, first
    undecided = of("dump_0", "dump_1")
    assert undecided["held_by"] == "Leaks.stack" and 0.2 <= undecided["confidence"] < 0.5, undecided
    assert "a third dump would tell" in undecided["evidence"][0], undecided


#: Collections with tables, nodes, trees, links and maps in them.
FILLED = """ArrayList LinkedList ArrayDeque HashMap LinkedHashMap TreeMap IdentityHashMap HashSet concurrent.ConcurrentHashMap
concurrent.ConcurrentSkipListMap concurrent.ConcurrentLinkedDeque concurrent.LinkedBlockingQueue""".split()


@needs_jdk
def test_garbage_hides_no_leak(lake, leak_classes, tmp_path):
    """Each array that a CopyOnWriteArrayList had before refers to what the list has now, until a collection frees it."""
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", leak_classes, "Leaks", "copied_list", tmp_path / "dump", "all"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.ok("import", *(tmp_path / f"dump-{n}.hprof" for n in range(3)))
    assert one(lake, "select count(*) as n from obj where distance is null", "--dump", "dump_2")["n"] > 100
    first = json.loads(lake.ok("suspects", "--format", "json", "dump_0", "dump_1", "dump_2"))[0]
    assert first["held_by"] == "Leaks.SUBSCRIBERS" and first["confidence"] >= 0.9, first
    # A session, its array and its text are 24, 216 and 24 + 24 bytes.
    assert first["count"] == 6000 and first["retained"] >= 6000 * 280, first
    # Nor is it growth.
    (part,) = [re.search(r"(\d+) % of all growth", fact) for fact in first["evidence"] if "of all growth" in fact]
    assert int(part[1]) >= 90, first
    freed = one(lake, f"select sum(size) as bytes from whatif_cut('parent = {first['holder']}')", "--dump", "dump_2")
    assert freed["bytes"] >= 6000 * 280, freed
    # What is alive is not said to be held by what is not, and garbage by nothing.
    text = lake.ok("path", "root ..> Leaks$Session", "--dump", "dump_2")
    assert "SUBSCRIBERS" in text, text
    holders = rows(lake, "select holder from holder_stat where depth = 1 and holder like '(garbage)%'", "--dump", "dump_2")
    assert holders, "garbage is not told apart"


def filled(lake, leak_classes, tmp_path, collection):
    java = ["java", *MEMORY, "-cp", leak_classes, "Filled", f"java.util.{collection}", tmp_path / "dump"]
    subprocess.run(java, check=True, capture_output=True, timeout=120)
    lake.ok("import", *(tmp_path / f"dump-{n}.hprof" for n in range(3)))
    return [f"dump_{n}" for n in range(3)]


@needs_jdk
@pytest.mark.parametrize("collection", FILLED)
def test_what_a_collection_contains_is_counted_whatever_lies_between(lake, leak_classes, tmp_path, collection):
    dumps = filled(lake, leak_classes, tmp_path, collection)
    for asked in [dumps[-1:], dumps[::2], dumps]:
        first = json.loads(lake.ok("suspects", "--format", "json", *asked))[0]
        holder = (first["holder_type"], first["type"].split("$")[-1], first["count"])
        assert holder == (f"java.util.{collection}", "Order", 4500), first
        assert not re.search(r"\.(table|first|head|root|elementData|items|elements|map)$", first["held_by"]), first
        whatif = lake.ok("whatif", "--format", "json", "--dump", dumps[-1], "--cut", f"parent = {first['holder']}")
        assert sum(row["size"] for row in json.loads(whatif)) == first["retained"] > 4500 * 232
        if len(asked) > 1:
            assert (first["count_growth"], first["confidence"] > 0.8) == (3000, True), first
            assert abs(first["retained_growth"] - first["retained"] * 2 / 3) < first["retained"] / 20, first


def test_the_content_of_a_large_collection_is_counted_whole(lake, tmp_path):
    for n in (70_000, 90_000):
        objects = ["address,type,size,len,name", "16,java.lang.Class,64,,com.shop.Cache", f"48,java.util.ArrayList,24,{n},"]
        objects += [f"64,java.lang.Object[],{4 * n},{n},", *(f"{4096 + 32 * i},com.shop.Order,32,," for i in range(n))]
        edges = ["parent,child,label", "16,48,.ORDERS", "48,64,.elementData", *(f"64,{4096 + 32 * i},[{i}]" for i in range(n))]
        files = {"objects": objects, "edges": edges, "roots": ["address,kind", "16,system class"]}
        for name, lines in files.items():
            (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
        tables = [word for name in files for word in (f"--{name}", tmp_path / f"{name}.csv")]
        lake.ok("import", *tables, "--format", "hprof", "--dump", f"d{n}")
    first = json.loads(lake.ok("suspects", "--format", "json", "d70000", "d90000"))[0]
    assert (first["holder_type"], first["type"]) == ("java.util.ArrayList", "com.shop.Order"), first
    assert (first["count"], first["count_growth"]) == (90_000, 20_000), first


@needs_jdk
def test_a_queue_that_fills_up_to_its_capacity_is_not_suspected(lake, leak_classes, tmp_path):
    dumps = filled(lake, leak_classes, tmp_path, "concurrent.ArrayBlockingQueue")
    suspects = json.loads(lake.ok("suspects", "--format", "json", "--min-confidence", "0", *dumps))
    (queue,) = [suspect for suspect in suspects if suspect["holder_type"].endswith("ArrayBlockingQueue")]
    assert queue["confidence"] < 0.5 and "capacity is 5,000" in " ".join(queue["evidence"]), queue


@needs_jdk
def test_dead_objects_and_fillers_are_no_suspects(lake, leak_classes, tmp_path):
    # Not live dumps, of collectors that fill gaps with arrays: most of them is garbage.
    for collector in ["Serial", "G1"]:
        java = ["java", "-Xmx256m", f"-XX:+Use{collector}GC", "-cp", leak_classes, "Leaks", "garbage", tmp_path / collector, "all"]
        subprocess.run(java, check=True, capture_output=True, timeout=120)
        lake.ok("import", *(tmp_path / f"{collector}-{n}.hprof" for n in range(3)))
        dumps = [dump for dump in lake.dumps() if dump.startswith(collector.lower())]
        assert one(lake, "select count(*) as n from root where kind = 'garbage'", "--dump", dumps[-1])["n"] > 1000
        for asked in [dumps, dumps[-1:]]:
            suspects = json.loads(lake.ok("suspects", "--format", "json", "--min-confidence", "0", *asked))
            found = {suspect["idiom"] for suspect in suspects}
            assert not found & {"external_reference", "garbage_cycle", "finalizer_queue"}, suspects
