"""The power fails: the release before or the new one answers, whole; what was said to be done stays done."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bundle.small import ROOT, TOGETHER, Machine
from tests.disk import Disk

ACTIONS = {"first": ("", "1.0"), "upgrade": ("1.0", "2.0"), "rollback": ("2.0", "1.0")}  # what answers before and after
# What a careless installer would do: all the same, but nothing is forced to the disk.
CARELESS = "import os\nos.fsync = lambda handle: None\nos.sync = lambda: None\n"


class Rig:
    """A machine on a disk, copies of that disk before each action, and how long each action takes undisturbed."""

    def __init__(self, folder: Path, payloads: dict[str, Path]) -> None:
        self.disk, self.folder = Disk(folder), folder
        self.machine = Machine(self.disk.path)
        self.commands = {
            "first": self.machine.install_command(payloads["1"]),
            "upgrade": self.machine.install_command(payloads["2"]),
            "rollback": self.machine.command("rollback"),
        }
        self.seconds: dict[str, float] = {}
        self.whole: dict[str, dict[str, str]] = {}

    def prepare(self) -> None:
        """Do each action once and keep the disk before it."""
        self.disk.mount()
        for action in ACTIONS:
            self.disk.keep(self.folder / action)
            begin = time.monotonic()
            done = self.machine.run(self.commands[action])
            self.seconds[action] = time.monotonic() - begin
            assert done.returncode == 0, done.stderr
            if action == "first":
                self.machine.skerry("label", "kept")
        self.whole = self.slots()

    def slots(self) -> dict[str, dict[str, str]]:
        """Return the digest of every file of each complete slot, but of those that tell the time."""
        return {
            mark.parent.name: {
                path.relative_to(mark.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in mark.parent.rglob("*")
                if path.is_file() and path.suffix != ".pyc" and path.name not in ("RECORD", "uv_cache.json")
            }
            for mark in self.machine.prefix.glob("releases/*/COMPLETE")
        }

    def cut(self, action: str, seconds: float | None, *before: str) -> bool:
        """Begin an action on the disk as it was, and cut the power after a time, or as soon as it is done.

        Tells whether the program had said that it was done.
        """
        self.disk.restore(self.folder / action)
        running = subprocess.Popen(
            [*TOGETHER, *before, *self.commands[action]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.machine.environment(),
        )
        with suppress(subprocess.TimeoutExpired):
            running.wait(seconds)
        said_done = running.poll() == 0
        self.disk.cut(running)
        return said_done

    def check(self, action: str, said_done: bool) -> str:
        """See that all is well behind a cut, give the same command again, and return `old` or `new`."""
        machine, (before, done) = self.machine, ACTIONS[action]
        version = machine.version()
        assert version in (before, done), action
        status = machine.run(machine.command("status"))
        assert status.returncode == 0 or (version == "" and status.returncode in (1, 4)), (action, status.stderr)
        for name, files in self.slots().items():
            differing = {path for path, _digest in files.items() ^ self.whole[name].items()}
            assert not differing, (action, name, differing)
        if said_done:
            assert version == done, action
            assert not machine.does("status")["unfinished"], action
        else:
            again = machine.run(self.commands[action])
            assert again.returncode == 0 or (action == "rollback" and version == done), (action, again.stderr)
        assert machine.version() == done, action
        if action != "first":
            assert machine.labels() == ["kept"], action
        return "new" if version == done else "old"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, payloads: dict[str, Path]) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("power"), payloads)
    try:
        made.prepare()
        yield made
    finally:
        made.disk.unmount()
        shutil.rmtree(made.folder)


@pytest.mark.long
@pytest.mark.parametrize("action", ACTIONS)
def test_power_cuts_leave_the_old_or_the_new(rig: Rig, action: str) -> None:
    """Seventeen cuts each, every fourth as soon as the program has said that it is done."""
    chance, seen = random.Random(action), Counter[str]()
    for number in range(17):
        seconds = chance.uniform(0, rig.seconds[action]) if number % 4 else None
        said_done = rig.cut(action, seconds)
        assert said_done or seconds is not None, action
        seen[rig.check(action, said_done)] += 1
    sys.stdout.write(f"{action}: {dict(seen)}\n")
    assert seen["old"] and seen["new"], seen


@pytest.mark.long
@pytest.mark.parametrize("action", ["upgrade", "rollback"])
def test_the_cut_catches_an_installer_that_forces_nothing_to_the_disk(rig: Rig, tmp_path: Path, action: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(CARELESS)
    said_done = rig.cut(action, None, "env", f"PYTHONPATH={tmp_path}:{ROOT}")
    assert said_done
    with pytest.raises(AssertionError):
        rig.check(action, said_done)
