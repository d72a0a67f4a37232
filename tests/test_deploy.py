"""What deploy/ has to start from: options that exist, variables that are documented."""

import re

import pytest

from lake import REPOSITORY, Lake

yaml = pytest.importorskip("yaml", reason="there is no yaml (moto brings it)")

DEPLOY = REPOSITORY / "deploy"


def containers():
    """Where it is written, arguments, and variables of every container."""
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        documents = list(yaml.safe_load_all(file.read_text()))
        settings = [name for document in documents if document["kind"] == "ConfigMap" for name in document["data"]]
        for document in documents:
            pod = document.get("spec", {}).get("template", {}).get("spec", {})
            for container in pod.get("containers", []):
                yield file.name, container["args"], settings + [variable["name"] for variable in container["env"]]
    for name, service in yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].items():
        # What follows the service's name on the command line is the question.
        yield f"compose.yaml {name}", service.get("command", ["dumps"]), list(service["environment"])


CONTAINERS = list(containers())


def test_all_of_them_are_found():
    assert len(CONTAINERS) == 4


@pytest.mark.parametrize("where, args, variables", CONTAINERS, ids=[where for where, _, _ in CONTAINERS])
def test_options_and_variables_exist(where, args, variables, tmp_path):
    # A worker that listens for everybody starts only with a secret, and no statement is asked without a lake.
    message = Lake(tmp_path / "none").fails(*args)
    assert "is not a lake" in message or "--lake" in message or "heaplake-cluster" in message, message
    documented = "".join(path.read_text() for path in (REPOSITORY / "docs").glob("*.md"))
    for name in variables:
        assert re.search(rf"`{name}(=[^`]*)?`", documented), f"{where}: {name}"


def test_the_image_has_both_programs():
    text = (DEPLOY / "Dockerfile").read_text()
    toolchain = (REPOSITORY / "rust-toolchain.toml").read_text()
    assert re.search(r"FROM rust:([0-9.]+)", text)[1] in toolchain
    assert "target/release/heaplake " in text and "target/release/heaplake-cluster " in text
