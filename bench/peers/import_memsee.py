"""Reads a meliae dump into SQLite as memsee does: its two tables, its indexes, its pseudo-root.

Kinder than memsee, whose inserts go one by one. usage: import_memsee.py DUMP FILE.sqlite
"""
import itertools
import pathlib
import sqlite3
import sys

import ujson

BATCH = 10_000

dump, target = sys.argv[1], pathlib.Path(sys.argv[2])
target.parent.mkdir(parents=True, exist_ok=True)
target.unlink(missing_ok=True)
db = sqlite3.connect(target)
db.executescript("""
    create table obj (address int primary key, type text, name text, value text, size int, len int, mark int, repr text);
    create table ref (parent int, child int);
    create index obj_size on obj (size);
    create index obj_type on obj (type);
    create index obj_name on obj (name);
    create index obj_value on obj (value);
    create index obj_mark on obj (mark);
    create index obj_repr on obj (repr);
    create index ref_child on ref (child);
    create index ref_parent on ref (parent);
""")
with open(dump, "rb") as lines:
    while batch := [ujson.loads(line) for line in itertools.islice(lines, BATCH)]:
        db.executemany(
            "insert or ignore into obj (address, type, name, value, size, len, repr) values (?, ?, ?, ?, ?, ?, ?)",
            [(o["address"], o["type"], o.get("name"), o.get("value"), o["size"], o.get("len"), o["type"]) for o in batch],
        )
        db.executemany("insert into ref values (?, ?)", [(o["address"], child) for o in batch for child in o["refs"]])
        db.commit()
db.execute("insert into obj (address) values (0)")
db.execute("insert into ref select 0, address from obj where address not in (select child from ref)")
db.commit()
