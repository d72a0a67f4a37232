"""chains(): the leaks of the real dumps are found without being told their types."""

import json

import pytest

from lake import REPOSITORY, Lake

MOTIF = "(LmsModuleSystem -> dict -> CombinedSystem ->)+"


@pytest.fixture(params=["py27", "py38"])
def key(request):
    return request.param, json.loads((REPOSITORY / f"datasets/edx/{request.param}/truth.json").read_text())


def chains(lake, dump, min):
    """The rows as dictionaries."""
    return json.loads(lake.ok("chains", "--dump", dump, "--min", str(min), "--format", "json"))


def test_the_leak_comes_first(edx_lake, key):
    python, truth = key
    for n, moment in enumerate(truth["dumps"], start=1):
        rounds, counts = moment["rounds_done"], moment["expected_type_counts"]
        for min in {2, 10, rounds}:
            first = next(iter(chains(edx_lake, f"{python}-{n}", min)), None)
            if rounds < min:
                assert first is None or first["motif"] != MOTIF
                continue
            assert first["motif"] == MOTIF and first["rank"] == 1, (n, min)
            assert first["repeats"] == rounds
            assert first["chains"] == counts[truth["holder_type"]]
            assert first["objects"] == 3 * rounds
            assert first["head_type"] == "LmsModuleSystem"


def test_nothing_else_repeats_so_often(edx_lake, key):
    python, truth = key
    assert [row["motif"] for row in chains(edx_lake, f"{python}-3", 10)] == [MOTIF]
    assert chains(edx_lake, f"{python}-3", truth["dumps"][2]["rounds_done"] + 1) == []


def test_the_head_is_what_the_descriptor_holds(edx_lake, key):
    python, truth = key
    dump = f"{python}-3"
    first = chains(edx_lake, dump, 10)[0]
    head = first["head"]
    ((size, retained, distance),) = edx_lake.sql(
        f"select size, retained, distance from obj where address = {head}", "--dump", dump
    )
    assert (retained, distance) == (first["retained"], first["head_root_distance"])
    assert retained >= first["size"] > size
    holders = {name for (name,) in edx_lake.sql(f"select type from parents('@{head}', 2) where hops = 2", "--dump", dump)}
    assert truth["holder_type"] in holders
    # The newest of its chain: no CombinedSystem refers to it.
    assert "CombinedSystem" not in {
        name for (name,) in edx_lake.sql(f"select type from parents('@{head}')", "--dump", dump)
    }


def test_rows_of_sql_and_of_the_command_are_the_same(edx_lake):
    rows = edx_lake.sql("select * from chains(2, 'py38-3') order by rank")
    assert [tuple(row) for row in rows] == [tuple(row.values()) for row in chains(edx_lake, "py38-3", 2)]
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))


def test_no_chain_is_an_answer(edx_lake):
    result = edx_lake.run("chains", "--dump", "py27-1", "--format", "csv")
    assert result.returncode == 0
    assert result.stdout.decode().splitlines() == [
        "rank,motif,repeats,chains,objects,size,retained,head,head_type,head_root_distance,root_path"
    ]
    assert "--min" in result.stderr.decode()


def test_a_layer_has_the_chains_that_are_left(edx, tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.load(edx["py38-3"], "a")
    lake.ok("whatif", "--cut", "type = 'CombinedSystem'", "--save", "cut")
    rows = json.loads(lake.ok("chains", "--layer", "cut", "--min", "2", "--format", "json"))
    assert rows and all("CombinedSystem" not in row["motif"] for row in rows)
