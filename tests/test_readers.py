"""Dump files as people have them: compressed, reordered, damaged, cut, lying, or no dump at all."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import random
import shutil
import struct
import subprocess
import tarfile
import time
import zlib

import pyarrow
import pytest

OBJECTS = [
    {"address": 1, "type": "dict", "size": 64, "len": 2, "refs": [2, 3]},
    {"address": 2, "type": "str", "size": 32, "len": 5, "value": "hello", "refs": []},
    {"address": 3, "type": "module", "size": 16, "name": "app", "refs": [1, 99]},
]
ROWS = [
    (1, "dict", None, None, 64, 2),
    (3, "module", "app", None, 16, None),
    (2, "str", None, "hello", 32, 5),
]
PLAIN = "".join(json.dumps(o) + "\n" for o in OBJECTS).encode()


def zstd(data):
    return pyarrow.Codec("zstd").compress(data).to_pybytes()


def objects(lake, dump="x"):
    return lake.sql(f"select address, type, name, value, size, len from {dump}.obj order by type, address")


def issues(lake, dump="x"):
    return [kind for (kind,) in lake.sql(f"select kind from {dump}.issue order by line, kind")]


FORMS = {
    "as the scanner writes it": PLAIN,
    "no newline at the end": PLAIN.rstrip(),
    "CRLF": PLAIN.replace(b"\n", b"\r\n"),
    "BOM": b"\xef\xbb\xbf" + PLAIN,
    "blank lines": b"\n\n" + PLAIN.replace(b"\n", b"\n \t\n\r\n"),
    "array by line": b"[\n" + b",\n".join(PLAIN.splitlines()) + b"\n]\n",
    "trailing commas": b"[\n" + PLAIN.replace(b"\n", b",\n") + b"]\n",
    "array on one line": json.dumps(OBJECTS).encode(),
    "array on one line, BOM": b"\xef\xbb\xbf" + json.dumps(OBJECTS).encode(),
    "pretty-printed": json.dumps(OBJECTS, indent=4).encode(),
    "compact": b"\n".join(json.dumps(o, separators=(",", ":")).encode() for o in OBJECTS),
    "any order of fields": b"\n".join(json.dumps(dict(reversed(o.items()))).encode() for o in OBJECTS),
    "unknown fields": b"\n".join(json.dumps({"z": [{"refs": [7]}], **o, "y": "}"}).encode() for o in OBJECTS),
    "gzip": gzip.compress(PLAIN),
    "gzip of several members": gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]),
    "xz": lzma.compress(PLAIN),
    "bzip2": bz2.compress(PLAIN),
    "bzip2 of two streams": bz2.compress(PLAIN[:100]) + bz2.compress(PLAIN[100:]),
    "zstd": zstd(PLAIN),
    "zeros at the end": PLAIN + bytes(700),
    "gzip, zeros at the end": gzip.compress(PLAIN) + bytes(700),
    "zstd, zeros at the end": zstd(PLAIN) + bytes(70_000),
    "bzip2, zeros at the end": bz2.compress(PLAIN) + bytes(1),
    "xz, zeros at the end": lzma.compress(PLAIN) + bytes(512),
    "gzip of CRLF, zeros at the end": gzip.compress(PLAIN.replace(b"\n", b"\r\n")) + bytes(512),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["dump.json", "misleading.gz", "no ending at all"])
def test_every_form_gives_the_same_tables(lake, tmp_path, form, name):
    (tmp_path / name).write_bytes(FORMS[form])
    lake.load(tmp_path / name, "x")
    assert objects(lake) == ROWS
    assert lake.sql("select parent, idx, child from x.edge order by parent, idx") == [
        (1, 0, 2),
        (1, 1, 3),
        (3, 0, 1),
        (3, 1, 99),
    ]
    assert issues(lake) == []


@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_through_a_pipe(lake, form):
    lake.ok("--quiet", "import", "--dump", "x", "-", input=FORMS[form])
    assert objects(lake) == ROWS
    assert lake.manifest("x")["source"]["bytes"] == len(FORMS[form])


def test_refs_may_be_missing_and_values_may_be_numbers(lake):
    lines = b"""\
        {"address": 0, "type": "int", "size": 1, "value": 123456789012345678901234567890}
        {"address": 18446744073709551615, "type": "int", "size": 1, "value": -7, "refs": [0, 18446744073709551615]}
    """
    lake.ok("import", "--dump", "x", "-", input=lines)
    assert objects(lake) == [
        (0, "int", None, "123456789012345678901234567890", 1, None),
        (2**64 - 1, "int", None, "-7", 1, None),
    ]
    assert lake.sql("select * from x.edge")[1][1:4] == (2**64 - 1, 2**64 - 1, 1)


def tar_of(data):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("x.dump")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


NO_DUMPS = {
    "PNG": b"\x89PNG\r\n\x1a\n" + os.urandom(4000),
    "ELF": b"\x7fELF\x02\x01\x01" + os.urandom(4000),
    "SQLite": b"SQLite format 3\x00" + bytes(4000),
    "UTF-16": "\ufeff".encode("utf-16-le") + PLAIN.decode().encode("utf-16-le"),
    "UTF-16 big-endian": b"\xfe\xff" + PLAIN.decode().encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.decode().encode("utf-16-le"),
    "zip": b"PK\x03\x04" + os.urandom(4000),
    "HTML": b"<!doctype html><html><body>Not found</body></html>",
    "CSV": b"address,type,size\n1,dict,64\n",
    "prose": b'Traceback (most recent call last):\n  File "x.py"\n',
    "zeros": bytes(4000),
    "random": random.Random(1).randbytes(100_000),
    "gzip of a PNG": gzip.compress(b"\x89PNG\r\n\x1a\n" + bytes(4000)),
    "gzip twice": gzip.compress(gzip.compress(PLAIN)),
    "other JSON": b'{"name": "x", "version": 1}\n',
    "JSON numbers": b"[1, 2, 3]",
    "empty": b"",
    "white space": b" \n\n",
    "empty array": b"[]",
    "empty gzip": gzip.compress(b""),
    "magic of gzip alone": b"\x1f\x8b",
    "magic of zstd alone": b"\x28\xb5\x2f\xfd",
    "pickle": pickle.dumps({"address": 1}),
    "core dump": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00" + os.urandom(4000),
    "memray": b"\x04\x22\x4d\x18\x40\x40\xc0\xa6\x03\x00\x00\xfa\x04memray\x00" + os.urandom(4000),
    "PyHeap": struct.pack("!QI", 123_000_321, 1) + os.urandom(4000),
    "Java": b"JAVA PROFILE 1.0.2\x00" + os.urandom(4000),
    "HPROF header alone": b"JAVA PROFILE 1.0.2\x00" + struct.pack(">IQ", 8, 1),
    "Ruby": b'{"address":"0x7f01", "type":"STRING", "slot_size":40, "memsize":40, "references":["0x7f02"]}\n' * 9,
    "tar": tar_of(PLAIN),
    "log": b"".join(b"web_1  | " + line for line in PLAIN.splitlines(True)),
    "deep nesting": b"[" * 1_000_000,
    "deep object": b'{"a":' * 500_000,
}


@pytest.mark.parametrize("what", NO_DUMPS)
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_file_that_is_no_dump(lake, tmp_path, what, on_error):
    (tmp_path / "x.dump").write_bytes(NO_DUMPS[what])
    message = lake.fails("import", "--on-error", on_error, tmp_path / "x.dump")
    assert message.startswith("error: cannot import ") and "x.dump" in message
    assert len(message) < 600, "the message pours out the file"
    assert lake.dumps() == []
    assert lake.junk() == set()


def test_messages_tell_what_the_file_is(lake, tmp_path):
    for what, words in [
        ("PNG", "PNG"),
        ("ELF", "ELF"),
        ("SQLite", "SQLite"),
        ("UTF-16", "UTF-16"),
        ("UTF-16 big-endian", "UTF-16"),
        ("zip", "zip"),
        ("gzip of a PNG", "PNG"),
        ("gzip twice", "compressed twice"),
        ("pickle", "a Python pickle"),
        ("core dump", "a core dump"),
        ("core dump", "`heaplake capture`"),
        ("memray", "memray"),
        ("PyHeap", "PyHeap"),
        ("Java", "HPROF"),
        ("Ruby", "Ruby"),
        ("tar", "tar archive; unpack it first"),
        ("other JSON", "`name`, `version`"),
        ("log", "sed 's/^[^{]*//'"),
        ("empty", "no object"),
    ]:
        (tmp_path / "x.dump").write_bytes(NO_DUMPS[what])
        assert words in lake.fails("import", tmp_path / "x.dump"), what


def cri(lines):
    """As containerd writes them: a long line is split into parts."""
    for k, line in enumerate(lines):
        time = f"2026-03-01T12:00:{k:02}.{7 * k}Z"
        yield f"{time} stdout P {line[:30]}\n{time}1 stdout F {line[30:]}\n"


LOGS = {
    "compose": lambda lines: (f"web_1  | {line}\n" for line in lines),
    "journal": lambda lines: (f"Mar  {k} 12:00:0{k} host app[7]: {line}\n" for k, line in enumerate(lines)),
    "braces": lambda lines: (f"INFO {{worker}} {line}\n" for line in lines),
    "CRI": cri,
    "docker": lambda lines: (json.dumps({"log": line + "\n", "stream": "stdout"}) + "\n" for line in lines),
}


@pytest.mark.parametrize("log", LOGS)
def test_a_dump_in_a_log_comes_with_the_command_that_takes_it_out(lake, tmp_path, log):
    if log == "docker" and not shutil.which("jq"):
        pytest.skip("needs jq")
    (tmp_path / "FILE").write_text("".join(LOGS[log](PLAIN.decode().splitlines())))
    for on_error in ("fail", "skip"):
        message = lake.fails("import", "--on-error", on_error, tmp_path / "FILE")
    command = message.split("takes it out: ")[1]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    lake.load(tmp_path / "CLEAN", "x")
    assert objects(lake) == ROWS
    assert issues(lake) == []


def lines_of_dump(n):
    return b"".join(b'{"address": %d, "type": "t%d", "size": 16, "refs": [%d]}\n' % (k, k % 7, k + 1) for k in range(n))


@pytest.mark.parametrize("cut", [1, 30, 52, 57, 2_000, 100_000, 1_234_567])
def test_a_cut_file(lake, tmp_path, cut):
    data = lines_of_dump(30_000)
    assert cut < len(data)
    (tmp_path / "x.dump").write_bytes(data[:cut])
    whole, rest = data[:cut].rsplit(b"\n", 1) if b"\n" in data[:cut] else (b"", data[:cut])
    n_whole = whole.count(b"\n") + 1 if whole else 0
    assert rest
    message = lake.fails("import", tmp_path / "x.dump")
    assert f"line {n_whole + 1}, byte {cut - len(rest)}" in message
    assert "--on-error skip" in message
    if n_whole:
        lake.load(tmp_path / "x.dump", "x", "--on-error", "skip")
        assert lake.sql("select count(*), max(address) from x.obj") == [(n_whole, n_whole - 1)]
        assert lake.sql('select line, "offset", kind from x.issue') == [(n_whole + 1, cut - len(rest), "truncated")]


COMPRESSIONS = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("share", [0.2, 0.9, 0.999])
def test_a_cut_compressed_stream(lake, tmp_path, compression, share):
    chance = random.Random(3)
    data = b"".join(
        b'{"address": %d, "type": "t%d", "size": 16, "refs": [%d]}\n' % (k, k % 7, chance.randrange(2**60))
        for k in range(40_000)
    )
    packed = COMPRESSIONS[compression](data)
    (tmp_path / "x.gz").write_bytes(packed[: int(len(packed) * share)])
    message = lake.fails("import", tmp_path / "x.gz")
    assert compression in message and "--on-error skip" in message
    result = lake.run("--quiet", "import", "--dump", "x", "--on-error", "skip", tmp_path / "x.gz")
    if compression in ("gzip", "zstd") or share > 0.5:
        assert result.returncode == 0, result.stderr.decode()
        n = lake.sql("select count(*) from x.obj")[0][0]
        # A decompressor gives out whole blocks only.
        assert 0 < n < 40_000 or (n == 40_000 and share == 0.999)
        assert lake.sql("select max(address) + 1 from x.obj") == [(n,)]
        assert issues(lake) == ["truncated"]
        assert lake.sql("select max(line) from x.issue")[0][0] in (n, n + 1)


def test_a_damaged_compressed_stream(lake, tmp_path):
    packed = bytearray(gzip.compress(lines_of_dump(50_000)))
    packed[-6] ^= 0xFF
    (tmp_path / "x.gz").write_bytes(packed)
    assert "gzip" in lake.fails("import", tmp_path / "x.gz")
    lake.load(tmp_path / "x.gz", "x", "--on-error", "skip")
    assert issues(lake) == ["truncated"]


def test_a_compressed_bomb_is_read_in_little_memory(lake, tmp_path):
    """Most of a gigabyte of blank lines in a megabyte, then three objects."""
    pack, parts = zlib.compressobj(9, zlib.DEFLATED, 31), []
    blank = b"\n" * (1 << 20)
    parts += [pack.compress(blank) for _ in range(800)]
    parts += [pack.compress(PLAIN), pack.flush()]
    (tmp_path / "x.gz").write_bytes(b"".join(parts))
    assert lake.peak("--quiet", "import", "--dump", "x", tmp_path / "x.gz") < 400_000_000
    assert objects(lake) == ROWS


def test_a_string_without_end_is_refused_in_little_memory(lake, tmp_path):
    """A gigabyte of one letter: no object can be that large."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    letters = b"a" * (1 << 20)
    parts = (
        [pack.compress(b'{"address": 1, "type": "str", "value": "')]
        + [pack.compress(letters) for _ in range(1024)]
        + [pack.flush()]
    )
    (tmp_path / "x.gz").write_bytes(b"".join(parts))
    start = time.monotonic()
    message = lake.fails("import", "--memory-limit", "64MB", tmp_path / "x.gz")
    assert "--memory-limit" in message
    assert time.monotonic() - start < 60


def test_a_line_of_100_megabytes(lake, tmp_path):
    refs = list(range(140_000_000_000_000, 140_000_006_000_000))
    with open(tmp_path / "x.dump", "wb") as out:
        out.write(b'{"address": 5, "type": "list", "size": 48, "len": 6000000, "refs": %s}\n' % str(refs).encode())
        out.write(PLAIN)
        assert out.tell() > 100_000_000 - 4_000_000
    lake.load(tmp_path / "x.dump", "x")
    assert lake.sql("select count(*), max(idx), max(child) from x.edge where parent = 5") == [
        (6_000_000, 5_999_999, refs[-1])
    ]
    assert len(objects(lake)) == 4


def test_a_value_of_20_megabytes(lake):
    text = "värde " * 3_000_000
    lake.ok(
        "import",
        "--dump",
        "x",
        "-",
        input=json.dumps({"address": 1, "type": "str", "size": 1, "value": text, "refs": []}).encode(),
    )
    assert lake.sql("select length(value), octet_length(value) from x.obj") == [(len(text), len(text.encode()))]


def test_numbers_that_lie_cost_nothing(lake):
    line = b'{"address": 1, "type": "list", "size": 9223372036854775807, "len": 9223372036854775807, "refs": [1]}\n'
    lake.ok("import", "--dump", "x", "--memory-limit", "64MB", "-", input=line)
    assert objects(lake) == [(1, "list", None, None, 2**63 - 1, 2**63 - 1)]


def test_sums_beyond_64_bits_do_not_wrap(lake):
    line = '{"address": %d, "type": "list", "size": 9223372036854775807, "refs": []}\n'
    result = lake.run("import", "--dump", "x", "-", input="".join(line % n for n in range(3)).encode())
    if result.returncode == 0:
        assert lake.sql("select size from x.type_stat")[0][0] == 2**63 - 1
        assert lake.manifest("x")["counts"]["bytes"] == 2**63 - 1
    else:
        assert b"error: cannot import" in result.stderr and lake.dumps() == []


def test_many_damaged_lines_take_linear_time(lake, tmp_path):
    """Quotes that never close, brackets that never match: what makes parsers quadratic."""
    evil = {
        "quotes": b'{"address": 1, "type": "str", "size": 1, "value": "' + b'"}, "refs": [' * 400_000,
        "braces": b"{" * 3_000_000,
        "open lines": b'{"address": 1, "type": "str", "size": 1, "refs": [\n' * 60_000,
        "starts": b'{"address"' * 600_000,
    }
    for what, data in evil.items():
        (tmp_path / "x.dump").write_bytes(data + b"\n" + PLAIN)
        start = time.monotonic()
        lake.run("--quiet", "import", "--replace", "--dump", "x", "--on-error", "skip", tmp_path / "x.dump")
        assert time.monotonic() - start < 30, what
        if "x" in lake.dumps():
            assert {1, 2, 3} >= {row[0] for row in objects(lake)}, what


def test_a_named_pipe(lake, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = lake.start("import", "--dump", "x", tmp_path / "pipe")
    (tmp_path / "pipe").write_bytes(PLAIN)
    assert process.wait(timeout=60) == 0
    process.communicate()
    assert objects(lake) == ROWS


def test_a_pipeline_of_the_shell(lake, tmp_path):
    (tmp_path / "x.gz").write_bytes(FORMS["gzip"])
    command = subprocess.list2cmdline(lake.command("--quiet", "import", "--dump", "x", "-"))
    subprocess.run(["bash", "-c", f"set -o pipefail; zcat {tmp_path}/x.gz | {command}"], check=True, timeout=60)
    assert objects(lake) == ROWS
