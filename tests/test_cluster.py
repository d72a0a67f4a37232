"""Statements on a cluster of workers give what they give on one machine, whatever happens to the workers."""

import json
import random
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import stores
from cluster import SHARE, Worker, free_port, needs_cluster, with_variables, workers
from lake import REPOSITORY, Lake

pytestmark = needs_cluster()

SECRET = "a secret that nobody guesses"

#: With an order, where rows have one; without, rows are compared as a set.
STATEMENTS = [
    "select count(*), sum(size) from obj",
    "select type, count(*), sum(size) from obj group by type",
    "select dump, type, count(*) from history.obj group by dump, type having count(*) > 50",
    "select type, count(*) n from obj group by type order by n desc, type limit 10",
    "select address, size from obj order by size desc, address limit 20",
    "select address from obj where type = 'dict' and size > 1000 order by address",
    # Joins, of large tables and with small ones.
    "select p.type parent, c.type child, count(*) from edge e join obj p on e.parent = p.address"
    " join obj c on e.child = c.address group by p.type, c.type",
    "select o.type, t.count, count(*) from obj o join type_stat t on o.type = t.type group by o.type, t.count",
    "select count(*) from obj o left join edge e on o.address = e.child where e.child is null",
    "select count(*) from obj where address in (select child from edge where parent in"
    " (select address from obj where type = 'module'))",
    "select count(*) from obj o where not exists (select 1 from edge e where e.child = o.address)",
    "select type from obj where size = (select max(size) from obj)",
    "select o.type, sum(o.size) - (select avg(size) from obj) from obj o group by o.type order by 1 limit 5",
    "select a.type, a.count - coalesce(b.count, 0) from type_stat a left join \"py38-1\".type_stat b on a.type = b.type",
    "select count(*) from obj a cross join (select distinct kind from root) k",
    # Windows, sets, distinct, grouping sets.
    "select type, size, rank() over (partition by type order by size desc, address) r from obj"
    " where type in ('dict', 'list') order by type, r, size limit 50",
    "select address, sum(size) over (order by address rows between 2 preceding and current row) from obj"
    " order by address limit 100",
    "select type from obj where size > 500 union select type from history.obj where size > 5000",
    "select type from \"py38-1\".obj except select type from \"py38-3\".obj",
    "select count(distinct type), approx_distinct(address) > 0 from history.obj",
    "select root_kind, type, count(*) from obj group by grouping sets ((root_kind), (type), ())",
    "select percentile_cont(0.5) within group (order by size) from obj",
    # What is of one machine alone: functions over graph indexes, the list of dumps, recursion.
    "select * from top_retained(20)",
    "select o.name, t.retained from top_retained(50) t join obj o on o.address = t.address",
    "select t.type, count(*) from reachable('type = ''module''') r join obj t on t.address = r.address group by t.type",
    "select d.id, count(*) from dump d join history.obj o on o.dump = d.id group by d.id",
    "select * from diff('py38-1', 'py38-3') order by 1, 2 limit 30",
    "select * from path('root ..> (x: dict) PER x') limit 1000000",
    "with recursive up(address, n) as (select min(address) + 0, 0 from obj where type = 'str' union"
    " select e.parent + 0, n + 1 from up join edge e on e.child = up.address where n < 2) select count(*) from up",
    # Functions of ours run where the rows are.
    "select short(type), count(*) from obj group by short(type)",
    "select count(*) from obj where type_is(dump, type, 'text')",
    "select label(parent, child), count(*) from edge group by 1",
    "select module(address) m, count(*) from obj group by m",
    "select id, tag('none') from dump",
    "select 1 + 1",
    "select * from obj where false",
    "values (1, 'a'), (2, 'b')",
]


@pytest.fixture(scope="module")
def cluster(edx_lake):
    """The lake of the real dumps, asked with two workers; and the workers."""
    with workers(edx_lake, 2) as (running, variables):
        yield with_variables(edx_lake, variables), running


def outcome(lake, statement, *args):
    """The rows of a statement, or its error."""
    result = lake.run("sql", "--format", "ndjson", "--dump", "py38-2", *args, statement)
    if result.returncode:
        return result.stderr.decode()
    return result.stdout.decode().splitlines()


def same(alone, spread, statement, *args):
    expected, found = outcome(alone, statement, *args), outcome(spread, statement, *args)
    if isinstance(expected, list) and " order by " not in statement.rsplit(")", 1)[-1]:
        expected, found = sorted(expected), sorted(found)
    assert found == expected, statement
    return expected


@pytest.mark.parametrize("statement", STATEMENTS)
def test_rows_are_those_of_one_machine(cluster, edx_lake, statement):
    rows = same(edx_lake, cluster[0], statement)
    assert isinstance(rows, list), rows


def test_parts_do_run_on_workers(cluster):
    plan = cluster[0].ok("sql", "--format", "csv", "explain select type, count(*) from obj group by type")
    assert "NetworkShuffleExec" in plan and "input_tasks=2" in plan, plan
    plan = cluster[0].ok(
        "sql",
        "--format",
        "csv",
        "explain select o.type, count(*) from top_retained(50) t join obj o on o.address = t.address group by o.type",
    )
    assert "LocalRowsExec: runs where the statement was asked" in plan and "top_retained" in plan, plan
    analyzed = cluster[0].ok("sql", "--format", "csv", "explain analyze select type, count(*) from obj group by type")
    assert "Stage 1" in analyzed and "bytes_scanned" in analyzed, analyzed


@pytest.mark.parametrize("query", sorted(path.stem for path in (REPOSITORY / "queries").glob("*.sql")))
def test_queries_of_the_library(cluster, edx_lake, query):
    def answer(lake):
        result = lake.run("run", query, "--dump", "py38-2", "--format", "ndjson")
        return result.returncode, result.stdout.decode().splitlines(), result.stderr.decode()

    assert answer(cluster[0]) == answer(edx_lake)


def random_statement(chance):
    """A statement over obj and edge whose rows can be compared."""
    schema = chance.choice(["", "history.", '"py27-1".'])
    columns = ["size", "len", "distance", "retained", "refcount"]
    number = chance.choice(columns)
    key = chance.choice(["type", "root_kind", "dump", "size % 7", "length(type)"])
    filters = [
        f"{chance.choice(columns)} {chance.choice(['<', '>', '<=', '<>'])} {chance.choice([0, 1, 3, 64, 500, 4096])}",
        f"type like '%{chance.choice('aeistd')}%'",
        f"{chance.choice(columns)} is {chance.choice(['', 'not '])}null",
        "address % 3 = 1",
    ]
    where = " and ".join(chance.sample(filters, chance.randint(1, 2)))
    aggregate = chance.choice(["count(*)", f"sum({number})", f"max({number})", f"min({number})", f"count(distinct {number})"])
    return chance.choice(
        [
            f"select {key} k, {aggregate} a from {schema}obj where {where} group by 1",
            f"select {key} k, {aggregate} a from {schema}obj where {where} group by 1 order by a desc nulls last, k limit 7",
            f"select o.{number} n, count(*) from {schema}edge e join {schema}obj o on e.dump = o.dump and e.child = o.address"
            f" where {where.replace('address', 'o.address')} group by 1",
            f"select address, {number} from {schema}obj where {where} order by {number} desc nulls last, dump, address limit 25",
            f"select {key} k, address, row_number() over (partition by {key} order by dump, address) r from {schema}obj"
            f" where {where} order by k nulls first, r, address limit 40",
            f"select {aggregate} from {schema}obj where {where} and address in (select child from {schema}edge where idx = 1)",
        ]
    )


@pytest.mark.parametrize("seed", range(30))
def test_random_statements(cluster, edx_lake, seed):
    statement = random_statement(random.Random(seed))
    same(edx_lake, cluster[0], statement)


def test_files_from_outside_are_read_where_the_statement_is_asked(cluster, edx_lake, tmp_path):
    file = tmp_path / "owners.csv"
    file.write_text("type,owner\ndict,core\nlist,core\nstr,text\n")
    statement = "select w.owner, count(*) from obj o join owners w on o.type = w.type group by w.owner"
    rows = same(edx_lake, cluster[0], statement, "--attach", f"owners={file}")
    assert len(rows) == 2


def test_errors_are_those_of_one_machine(cluster, edx_lake):
    for statement in [
        "select no_such_column from obj",
        "select * from nothing",
        "select cast(type as int) from obj where type = 'dict'",
        "select 1 / (size - size) from obj",
        "insert into obj values (1)",
    ]:
        assert outcome(cluster[0], statement) == outcome(edx_lake, statement)


def test_layers_are_asked_on_this_machine(cluster, edx_lake, tmp_path):
    copy = Lake(tmp_path / "lake")
    shutil.copytree(edx_lake.path, copy.path)
    copy.ok("whatif", "--dump", "py38-2", "--cut", "type = 'dict'", "--save", "without")
    statement = "select count(*) from obj where module(address) is not null"
    same(copy, with_variables(copy, cluster[0].variables), statement, "--layer", "without")


def test_other_commands_and_the_shell(cluster, edx_lake):
    for command in [
        ["diff", "py38-1", "py38-3", "--format", "csv"],
        ["trend", "py38-*", "--format", "csv"],
        ["path", "root ..> CombinedSystem", "--dump", "py38-2", "--format", "csv"],
        ["top", "--dump", "py38-2", "--format", "csv"],
    ]:
        assert cluster[0].ok(*command) == edx_lake.ok(*command)
    typed = b"use py38-2\nselect count(*) from obj;\n"
    assert cluster[0].ok("shell", input=typed) == edx_lake.ok("shell", input=typed)


@pytest.mark.parametrize("pattern", ["root ..> CombinedSystem", "CombinedSystem <.. module"])
def test_paths_by_joins_are_jobs_of_the_cluster(cluster, edx_lake, pattern):
    """Each level is a statement of its own, whose joins run on workers."""
    command = ["path", pattern, "--dump", "py38-2", "--format", "csv"]
    assert cluster[0].ok(*command, "--plan", "join") == edx_lake.ok(*command, "--plan", "join") == edx_lake.ok(*command)


def big_lake(tmp_path, file):
    lake = Lake(tmp_path / "lake")
    lake.load(file, "big")
    return lake


SLOW = "select count(*) from obj a join obj b on a.size % 61 = b.size % 61 and a.address % 13 > b.address % 17"


#: Takes seconds, on workers.
LONG = SLOW + " where a.address % 4800 = 32"


def killed_in_the_middle(spread, worker, *command):
    """Runs a command, and kills a worker while it works for it: exit code, output, and what is said."""
    idle = worker.ticks()
    asked = spread.start(*command)
    while worker.ticks() < idle + 10 and asked.poll() is None:
        time.sleep(0.01)
    assert asked.poll() is None, asked.communicate()
    worker.kill()
    out, said = asked.communicate(timeout=120)
    return asked.returncode, out.decode(), said.decode()


@pytest.mark.parametrize("share", ["1kB", ""])
def test_orders_of_the_tables(tmp_path, big_dump, share):
    """Tables are sorted by type or parent, and so are groups of them: nothing sorts them again on one machine."""
    lake = big_lake(tmp_path, big_dump)
    with workers(lake, 2) as (_, variables):
        spread = with_variables(lake, variables | {"HEAPLAKE_CLUSTER_SHARE": share})
        for statement in [
            "select type, count(*) from obj group by type order by type",
            "select type, max(address) from obj where size > 64 group by type order by type",
            "select parent, count(*), min(idx), max(child) from edge group by parent order by parent limit 2000",
            "select parent, count(*) from edge where parent > 140000003000000 group by parent having count(*) > 4",
            "select distinct parent from edge order by parent limit 3000",
            "select type, address from obj where len > 1 order by type, address limit 20000",
            "select type, rank() over (partition by type order by size, address) r, address from obj where size = 56"
            " order by type, r",
        ]:
            rows, expected = spread.sql(statement), lake.sql(statement)
            ordered = "order by" in statement
            assert rows == expected if ordered else sorted(rows) == sorted(expected), statement


def test_a_worker_that_is_killed_in_the_middle(tmp_path, big_dump):
    lake = big_lake(tmp_path, big_dump)
    command = ("sql", "--format", "csv", LONG)
    expected = lake.ok(*command)
    with workers(lake, 3) as (running, variables):
        spread = with_variables(lake, variables)
        code, out, said = killed_in_the_middle(spread, running[1], *command)
        assert (code, out) == (0, expected), said
        assert f"no answer of worker {running[1].address}" in said and "is run again without it" in said
        # From the start it is one of those that do not answer.
        result = spread.run(*command)
        assert (result.returncode, result.stdout.decode()) == (0, expected)
        assert f"no answer of worker {running[1].address}" in result.stderr.decode()


def test_what_may_write_is_not_run_again(tmp_path, big_dump):
    """With files of this machine, a lost worker is an error: the first run may have written something."""
    lake = big_lake(tmp_path, big_dump)
    with workers(lake, 3) as (running, variables):
        code, out, said = killed_in_the_middle(with_variables(lake, variables), running[1], "sql", "--allow-files", LONG)
        assert (code, out) == (2, ""), said
        assert said.startswith("error: ") and "run again" not in said


def test_a_worker_that_hangs(tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump, "a")
    expected = lake.ok("sql", "--format", "csv", "select count(*) from obj")
    with workers(lake, 2) as (running, variables):
        running[0].process.send_signal(signal.SIGSTOP)
        try:
            result = with_variables(lake, variables).run("sql", "--format", "csv", "select count(*) from obj")
        finally:
            running[0].process.send_signal(signal.SIGCONT)
        assert (result.returncode, result.stdout.decode()) == (0, expected)
        assert "no answer within" in result.stderr.decode()


def test_no_worker_answers(tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump)
    port = free_port()
    message = with_variables(lake, {"HEAPLAKE_CLUSTER": f"127.0.0.1:{port}"}).fails("sql", "select count(*) from obj")
    assert f"no worker of the cluster answers (127.0.0.1:{port}: " in message
    message = lake.fails("--cluster", "nonsense", "sql", "select 1")
    assert "HOST:PORT" in message


def test_strangers_are_kept_out(tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump)
    with workers(lake, 2, variables={"HEAPLAKE_CLUSTER_SECRET": SECRET}) as (running, variables):
        friend = with_variables(lake, variables)
        assert friend.sql("select count(*) from obj") == lake.sql("select count(*) from obj")
        addresses = {"HEAPLAKE_CLUSTER": variables["HEAPLAKE_CLUSTER"]} | SHARE
        for other in [{}, {"HEAPLAKE_CLUSTER_SECRET": "another secret of that length"}]:
            stranger = with_variables(lake, addresses | other)
            message = stranger.fails("sql", "select count(*) from obj")
            assert "the secret of the cluster" in message and SECRET not in message, message
    message = lake.fails("worker", "--listen", "0.0.0.0:0")
    assert "can be reached by others" in message and "HEAPLAKE_CLUSTER_SECRET" in message


def certificates(folder):
    """An authority, and a certificate for 127.0.0.1 that it has signed."""

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority of a test")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "part.key",
            "-out", "part.csr", "-subj", "/CN=part")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "part.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "part.pem",
            "-days", "2", "-extfile", "extensions")
    return {
        "HEAPLAKE_CLUSTER_CA": str(folder / "ca.pem"),
        "HEAPLAKE_CLUSTER_CERT": str(folder / "part.pem"),
        "HEAPLAKE_CLUSTER_KEY": str(folder / "part.key"),
    }


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl to make certificates")
def test_certificates(tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump)
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours, theirs = certificates(tmp_path / "ours"), certificates(tmp_path / "theirs")
    with workers(lake, 2, variables=ours) as (_, variables):
        assert with_variables(lake, variables).sql("select count(*) from obj") == lake.sql("select count(*) from obj")
        plain = {name: value for name, value in variables.items() if name not in ours}
        for stranger in [plain, plain | theirs]:
            assert "no worker of the cluster answers" in with_variables(lake, stranger).fails("sql", "select 1")


def name_workers(lake, text):
    """Makes the lake name its workers."""
    (lake.path / "cluster.json").write_text(text if isinstance(text, str) else json.dumps({"workers": text}))


class Stranger:
    """A host that is no worker, and keeps what it is sent."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.received = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.received.append(connection.recv(1 << 16))

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl to make certificates")
def test_workers_that_the_lake_names(tmp_path, big_dump):
    lake = big_lake(tmp_path, big_dump)
    ours = certificates(tmp_path)
    statement = "select type, count(*) from obj group by type order by type"
    expected = lake.sql(statement)
    with workers(lake, 2, variables=ours) as (running, variables):
        name_workers(lake, [worker.address for worker in running])
        friend = with_variables(lake, variables | {"HEAPLAKE_CLUSTER": "lake"})
        assert friend.sql(statement) == expected
        assert "input_tasks=2" in friend.ok("sql", "--format", "csv", "explain " + statement)
        # The option comes before the variable; without both, nothing is asked of workers.
        assert "input_tasks=2" in with_variables(lake, variables).ok(
            "--cluster", "lake", "sql", "--format", "csv", "explain " + statement
        )
        alone = with_variables(lake, variables | {"HEAPLAKE_CLUSTER": ""})
        assert "input_tasks" not in alone.ok("sql", "--format", "csv", "explain " + statement)
        running[0].kill()
        result = friend.run("sql", "--format", "csv", statement)
        assert result.returncode == 0 and f"no answer of worker {running[0].address}" in result.stderr.decode()
        running[1].kill()
        message = friend.fails("sql", statement)
        assert f"cluster.json of {lake.path} names them" in message and running[1].address in message, message
    # Commands that have nothing for workers to do need no such file.
    (lake.path / "cluster.json").unlink()
    friend.ok("completions", "bash")
    message = friend.fails("sql", statement)
    assert "HEAPLAKE_CLUSTER lake" in message and "has no cluster.json" in message, message
    assert "is not a lake" in with_variables(Lake(tmp_path / "none"), friend.variables).fails("sql", statement)


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl to make certificates")
def test_a_lake_of_a_stranger_gets_no_secret(tmp_path, small_dump):
    """Whoever may write to a lake can name any host: without certificates none is asked, and with them it is sent no more than a
    greeting."""
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump)
    secret = {"HEAPLAKE_CLUSTER_SECRET": SECRET}
    question = ("sql", "select count(*) from obj where type = 'a type that is nobody''s business'")
    with Stranger() as host:
        name_workers(lake, [host.address])
        # The file alone does nothing.
        with_variables(lake, secret).ok(*question)
        for variables in [{}, secret]:
            message = with_variables(lake, variables).fails("--cluster", "lake", *question)
            assert f"cluster.json of {lake.path} names workers" in message and "HEAPLAKE_CLUSTER_CA" in message, message
        assert host.received == []
        careful = with_variables(lake, secret | certificates(tmp_path))
        for command in [question, ("import", small_dump)]:
            message = careful.fails("--cluster", "lake", *command)
            assert host.address in message, message
        received = b"".join(host.received)
        assert received and not any(text in received for text in [SECRET.encode(), b"business", b"small"])
        # A stranger who is named by the user is the user's choice, and shows that the test can see a secret.
        with_variables(lake, secret).fails("--cluster", host.address, *question)
        assert b"PRI * HTTP/2" in host.received[-1]


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl to make certificates")
def test_files_that_name_no_workers(tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump)
    asked = with_variables(lake, certificates(tmp_path))
    for text in ["", "{}", "[]", "127.0.0.1:1", '{"workers": "127.0.0.1:1"}', '{"workers": [1]}',
                 '{"workers": ["127.0.0.1:1"], "secret": "hunter2"}', ["me@127.0.0.1:1"], ["127.0.0.1"], [], [""],
                 ["http://127.0.0.1:1"], ["127.0.0.1:1/x"], ["lake"], ["\x1b[2J\u202e:1"], ["127.0.0.1:1\nerror: x"]]:
        name_workers(lake, text)
        message = asked.fails("--cluster", "lake", "sql", "select count(*) from obj")
        assert "cluster.json" in message and "hunter2" not in message, message
        assert not any(c in message for c in "\x1b\u202e") and message.count("error: ") <= 1 + message.count("\\nerror: "), message
        lake.ok("sql", "select count(*) from obj")
        # What the message names, verify finds.
        is_list = not isinstance(text, str)
        assert (lake.run("verify").returncode == 0) == is_list and ("heaplake verify" in message) == (not is_list), message


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl to make certificates")
def test_a_lake_in_a_store_names_its_workers(store, prefix, url, tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump, "a")
    name_workers(lake, ["127.0.0.1:1"])
    with_variables(lake, stores.variables(store.endpoint)).ok("push", "--to", url)
    # A folder's workers are not those of the store.
    remote = stores.StoreLake(url, store.endpoint, tmp_path / "cache")
    assert f"{url} has no cluster.json" in remote.fails("--cluster", "lake", "sql", "select 1")
    with workers(remote, 2, variables=certificates(tmp_path)) as (running, variables):
        text = json.dumps({"workers": [worker.address for worker in running]})
        store.put(prefix, "cluster.json", text.encode())
        asked = with_variables(remote, variables | {"HEAPLAKE_CLUSTER": "lake"})
        assert asked.sql("select type, count(*) from obj group by type order by type") == lake.sql(
            "select type, count(*) from obj group by type order by type"
        )
    assert f"cluster.json of {url} names them" in asked.fails("sql", "select 1")
    store.put(prefix, "cluster.json", b"{")
    message = asked.fails("sql", "select 1")
    assert f"{url}/cluster.json" in message, message


def test_a_dump_that_is_replaced_meanwhile(tmp_path, small_dump, big_dump):
    """Rows are of the one or of the other, or an error says that the dump is gone."""
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump, "d")
    stop = threading.Event()

    def replace():
        for file in [big_dump, small_dump] * 4:
            lake.load(file, "d", "--replace")
        stop.set()

    with workers(lake, 2) as (_, variables):
        spread = with_variables(lake, variables)
        replacing = threading.Thread(target=replace)
        replacing.start()
        found = set()
        while not stop.is_set():
            result = spread.run("sql", "--format", "csv", "select count(*), count(distinct address) from obj")
            text = result.stdout.decode() if result.returncode == 0 else result.stderr.decode()
            found.add(text)
        replacing.join()
    counts = {text for text in found if text.startswith("count")}
    assert counts and all(text.split()[-1] in ("1000,1000", "300000,300000") for text in counts), found
    assert all("removed" in text or "replaced" in text for text in found - counts), found - counts


def test_little_memory(tmp_path, big_dump):
    lake = big_lake(tmp_path, big_dump)
    statement = "select count(*) from (select address, value, name, type from obj order by value, address) x where address > 0"
    sorting = "select address, type from obj order by size, type, address limit 200000"
    with workers(lake, 2, "--memory-limit", "16MB") as (_, variables):
        spread = with_variables(lake, variables)
        assert spread.sql(statement) == lake.sql(statement)
        result = spread.run("sql", "--format", "csv", sorting)
        if result.returncode:
            assert "memory" in result.stderr.decode()
        else:
            assert result.stdout == lake.run("sql", "--format", "csv", sorting).stdout


def test_a_statement_that_is_stopped_leaves_nothing_running(tmp_path, big_dump):
    lake = big_lake(tmp_path, big_dump)
    with workers(lake, 2) as (running, variables):
        spread = with_variables(lake, variables)
        asked = spread.start("sql", SLOW)
        time.sleep(1.5)
        asked.send_signal(signal.SIGINT)
        asked.communicate(timeout=30)
        assert asked.returncode == 130
        wait_until_idle(running)


def wait_until_idle(running):
    deadline = time.monotonic() + 30
    while True:
        before = [worker.ticks() for worker in running]
        time.sleep(1)
        after = [worker.ticks() for worker in running]
        if all(b - a < 20 for a, b in zip(before, after)):
            return
        assert time.monotonic() < deadline, "the workers go on"


def test_a_statement_that_takes_too_long(tmp_path, big_dump):
    lake = big_lake(tmp_path, big_dump)
    with workers(lake, 2, "--time-limit", "2") as (running, variables):
        spread = with_variables(lake, variables)
        message = spread.fails("sql", SLOW)
        assert "took longer than the 2 s that a worker gives to it" in message, message
        wait_until_idle(running)
        # The workers are still there.
        small = "select count(*) from obj where size > 0"
        assert spread.sql(small) == lake.sql(small)
    assert "--time-limit" in lake.fails("worker", "--time-limit", "0")


def test_a_worker_over_an_object_store(store, prefix, url, tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump, "a")
    lake.load(small_dump, "b")
    with_variables(lake, stores.variables(store.endpoint)).ok("push", "--to", url)
    remote = stores.StoreLake(url, store.endpoint, tmp_path / "cache")
    with workers(remote, 2) as (_, variables):
        asked = with_variables(remote, variables)
        statement = "select dump, type, count(*) from history.obj group by dump, type order by 1, 2"
        assert asked.sql(statement) == lake.sql(statement)


def test_a_worker_ends_when_it_is_told(tmp_path, small_dump):
    lake = Lake(tmp_path / "lake")
    lake.load(small_dump)
    assert Worker(lake).stop() == 0
    assert "is not a lake" in Lake(tmp_path / "none").fails("worker", "--listen", "127.0.0.1:0")
    address = f"127.0.0.1:{free_port()}"
    first = subprocess.Popen(lake.command("worker", "--listen", address), stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline().decode() == f"listening on {address}\n"
        assert f"cannot listen on {address}" in lake.fails("worker", "--listen", address)
    finally:
        first.kill()
        first.communicate()
