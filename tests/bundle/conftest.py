"""What the bundle's tests share: a key, a stick, small releases, and a machine on which the first one is in use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bundle.small import Machine, make_payload
from tests.sticks import make_key, make_stick


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A vendor's key folder."""
    return make_key(tmp_path / "key")


@pytest.fixture
def stick(key: Path, tmp_path: Path) -> Path:
    """A good stick of that vendor."""
    return make_stick(tmp_path, key)


@pytest.fixture(scope="session")
def payloads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Releases 1 and 2, and releases 3 that each have one fault."""
    folder = tmp_path_factory.mktemp("payloads")
    made = {"1": make_payload(folder / "1", "1.0", 1), "2": make_payload(folder / "2", "2.0", 2, schema=2)}
    for fault in ("import", "selftest", "health", "migrate", "contract"):
        made[fault] = make_payload(folder / fault, "3.0", 3, schema=3, fault=fault)
    return made


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, payloads: dict[str, Path]) -> tuple[Path, Path]:
    """A machine on which release 1 is in use and a person has labelled something: its folder, and a copy to start from."""
    folder, copy = tmp_path_factory.mktemp("machine"), tmp_path_factory.mktemp("copy") / "machine"
    made = Machine(folder)
    done = made.install(payloads["1"])
    assert done.returncode == 0, done.stderr
    (made.home / "site").touch()
    made.skerry("label", "kept")
    shutil.copytree(folder, copy, symlinks=True)
    return folder, copy


@pytest.fixture
def machine(installed: tuple[Path, Path]) -> Machine:
    """That machine as it was: at the same place, since an environment does not move."""
    folder, copy = installed
    shutil.rmtree(folder)
    shutil.copytree(copy, folder, symlinks=True)
    return Machine(folder)
