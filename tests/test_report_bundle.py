"""The page's script that is committed is what its sources give."""

import shutil
import subprocess

import pytest

from lake import REPOSITORY

PAGE = REPOSITORY / "crates/report/page"
BUILT = ["report.js", "report.css", "LICENSES.txt"]


def test_building_gives_the_committed_bytes(tmp_path):
    if not shutil.which("node"):
        pytest.skip("there is no node")
    if not (PAGE / "node_modules/esbuild").exists():
        pytest.skip("there is no esbuild (npm ci in crates/report/page)")
    subprocess.run(["node", "build.mjs", tmp_path], cwd=PAGE, check=True, timeout=120)
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (PAGE / "dist" / name).read_bytes(), name


def test_the_lock_file_names_no_registry():
    lock = (PAGE / "package-lock.json").read_text()
    assert '"resolved"' not in lock and '"integrity"' in lock


def test_texts_become_text_nodes_only():
    for file in sorted((PAGE / "src").glob("*.js")):
        source = file.read_text()
        for word in ("innerHTML", "outerHTML", "dangerouslySetInnerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in source, f"{file.name}: {word}"
