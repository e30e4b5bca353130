"""`bundle.pyz` holds the sealed side, runs on a bare Python, and is the same bytes each time."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundle.pyz import CONNECTED, PACKAGE, pyz


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pyz(tmp_path_factory.mktemp("pyz") / "bundle.pyz", 1_700_000_000)


def test_the_same_modules_are_the_same_bytes(program: Path, tmp_path: Path) -> None:
    assert pyz(tmp_path / "other.pyz", 1_700_000_000).read_bytes() == program.read_bytes()
    assert pyz(tmp_path / "later.pyz", 1_700_000_100).read_bytes() != program.read_bytes()


def test_it_runs_alone_and_offers_the_sealed_side(program: Path, tmp_path: Path) -> None:
    """Isolated, without site packages, from an empty folder: nothing of this checkout can help it."""
    done = subprocess.run([sys.executable, "-IS", str(program), "--help"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "verify" in done.stdout and "request" in done.stdout
    assert "build" not in done.stdout.split("options:")[0].split("VERB\n")[-1].split()


def test_it_speaks_chinese(program: Path, tmp_path: Path) -> None:
    content = zipfile.ZipFile(program).namelist()
    assert "bundle/locale/zh/LC_MESSAGES/bundle.mo" in content
    done = subprocess.run(
        [sys.executable, "-IS", str(program), "verify", "nowhere", "--vendor-key", "nothing"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"SKERRY_LANG": "zh"},
    )
    assert done.returncode in (2, 4, 6) and "Traceback" not in done.stderr


def test_no_module_inside_needs_one_that_was_left_out(program: Path) -> None:
    """Every module that is imported at once, from anywhere inside, is inside."""
    archive = zipfile.ZipFile(program)
    inside = {name for name in archive.namelist() if name.endswith(".py")}
    assert not {f"bundle/{name}.py" for name in CONNECTED} & inside
    for name in inside:
        for node in ast.parse(archive.read(name)).body:
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("bundle"):
                candidates = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                paths = {f"{str(one).replace('.', '/')}.py" for one in candidates}
                assert paths & (inside | {"bundle.py"}) or node.module == "bundle", (name, node.module)


def test_every_module_left_out_is_one_that_exists() -> None:
    assert {name for name in CONNECTED if not (PACKAGE / f"{name}.py").is_file()} <= {"runtime"}
