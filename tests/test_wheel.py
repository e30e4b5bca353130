"""The built wheel holds everything that the appliance needs at run time, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once, without a network and without a build environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("skerry-*.whl")
    return built


def test_every_tracked_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    """Templates, catalogues, migrations, static files and the list of base models go along; tests and docs do not."""
    listed = subprocess.run(
        ["git", "ls-files", "appliance", "labeling", "bundle"], cwd=ROOT, capture_output=True, text=True
    )
    tracked = set(listed.stdout.split()) or {
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("appliance/**/*.py")
    }
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert tracked - inside == set()
    assert {name.split("/")[0] for name in inside} - {"appliance", "labeling", "bundle"} == {
        next(name.split("/")[0] for name in inside if ".dist-info" in name)
    }


@pytest.mark.parametrize(
    "needed",
    [
        "appliance/locale/zh/LC_MESSAGES/skerry.mo",
        "appliance/migrations/env.py",
        "appliance/migrations/versions/r0001_first.py",
        "bundle/models.toml",
    ],
)
def test_data_files_are_in_the_wheel(wheel: Path, needed: str) -> None:
    assert needed in zipfile.ZipFile(wheel).namelist()


def test_the_wheel_states_its_licence_and_extras(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
    base = {
        re.split(r"[<>=~; ]", line.split()[1])[0]
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist") and "extra ==" not in line
    }
    assert not base & {"torch", "spacy", "pyarrow", "transformers", "onnxruntime"}


@pytest.mark.long
def test_a_serving_box_runs_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """A clean environment with the serving lock and the wheel answers `--help`, makes a home and migrates its store."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    house = os.environ.get("WHEELHOUSE")
    source = ["--no-index", "--find-links", house] if house else []
    lock = ["--require-hashes", "-r", str(ROOT / "locks" / "serve-cpu.txt")]
    subprocess.run([python, "-m", "pip", "install", "-qq", "--no-deps", *source, *lock], check=True)
    subprocess.run([python, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", str(wheel)], check=True)
    subprocess.run([python, "-m", "pip", "check"], check=True)

    def skerry(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(tmp_path / "venv" / "bin" / "skerry"), *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    for words in (["--help"], ["init"], ["doctor", "--json"], ["list", "--json"], ["audit", "verify"]):
        done = skerry(*words)
        assert done.returncode == 0, (words, done.stderr)
    assert "ingest" in skerry("--help").stdout
    missing = skerry("ingest", str(ROOT / "README.md"), "--name", "x")
    assert missing.returncode == 7, missing.stderr
    assert "skerry[data]" in missing.stderr
