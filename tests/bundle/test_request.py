"""A request carries names and versions out of a sealed machine, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import InputError, UsageError
from bundle.request import read_request, request

HUB = "hub:owner/name@" + "a1" * 20


def test_what_was_asked_is_what_is_read(tmp_path: Path) -> None:
    said = request(tmp_path / "wanted.json", ["torch==2.13.0", "rich"], ["minilm", HUB])
    assert said["packages"] == ["rich", "torch==2.13.0"]
    read = read_request(tmp_path / "wanted.json")
    assert (read.requirements, read.models) == (("rich", "torch==2.13.0"), (HUB, "minilm"))
    assert set(json.loads((tmp_path / "wanted.json").read_text())) == {
        "format",
        "glibc",
        "models",
        "packages",
        "platform",
        "python",
    }


@pytest.mark.parametrize(
    ("packages", "models"),
    [
        ([], []),
        (["Patient Zhang Wei, 440524188001010014"], []),
        (["torch @ https://example.org/x.whl"], []),
        (["-r /etc/passwd"], []),
        (["a" * 65], []),
        (["a==" + "1" * 40], []),
        ([], ["../../etc"]),
        ([], ["hub:owner/name@main"]),
    ],
)
def test_only_names_leave(tmp_path: Path, packages: list[str], models: list[str]) -> None:
    with pytest.raises(UsageError):
        request(tmp_path / "wanted.json", packages, models)
    assert not (tmp_path / "wanted.json").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    request(tmp_path / "wanted.json", ["rich"])
    with pytest.raises(UsageError, match="there already"):
        request(tmp_path / "wanted.json", ["rich"])


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"packages": ["x --index-url https://example.org"]},
        {"packages": "rich"},
        {"packages": [["rich"]]},
        {"models": ["../up"]},
        {"note": "hello"},
        {"packages": ["rich"] * 200},
    ],
)
def test_a_request_from_outside_is_believed_in_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "wanted.json"
    request(path, ["rich"])
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match="no request file"):
        read_request(path)


def test_the_verb_writes_the_file(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bundle.cli",
        "request",
        "--package",
        "rich==15.0.0",
        "--out",
        str(tmp_path / "w"),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["packages"] == ["rich==15.0.0"]
