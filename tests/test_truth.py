"""The answer key of the real dumps: what leaks, how much of it there is, and who holds it."""

import json

import pytest

from lake import REPOSITORY


@pytest.fixture(params=["py27", "py38"])
def key(request):
    return request.param, json.loads((REPOSITORY / f"datasets/edx/{request.param}/truth.json").read_text())


def test_type_counts(edx_lake, key):
    python, truth = key
    for n, dump in enumerate(truth["dumps"], start=1):
        rows = edx_lake.sql(f'select type, count from "{python}-{n}".type_stat')
        counts = dict(rows)
        expected = dump["expected_type_counts"]
        assert {"CombinedSystem", "LmsModuleSystem"} <= expected.keys()
        assert {name: counts[name] for name in expected} == expected


def test_the_holder_and_the_leaked_objects(edx_lake, key):
    python, truth = key
    rows = edx_lake.sql(
        f"""select address, type from "{python}-3".obj
            where type in ('{truth["holder_type"]}', '{truth["leaking_type"]}')"""
    )
    types = dict(rows)
    assert types[truth["holder_address"]] == truth["holder_type"]
    assert {types[address] for address in truth["sample_leaked_addresses"]} == {truth["leaking_type"]}


def test_what_grew_is_what_leaks(edx_lake, key):
    python, truth = key
    rows = edx_lake.sql(
        f"""select l.type, l.count - coalesce(e.count, 0) as grown from "{python}-3".type_stat l
            left join "{python}-1".type_stat e on e.type = l.type order by grown desc, l.type"""
    )
    rounds = truth["dumps"][2]["rounds_done"] - truth["dumps"][0]["rounds_done"]
    grown = dict(rows)
    assert rounds > 0
    for name, per_round in truth["growth_per_round"].items():
        assert grown[name] == per_round * rounds
