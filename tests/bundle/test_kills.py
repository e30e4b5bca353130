"""Killed anywhere: the release before or the new one answers, `status` works, and the same command finishes.

Three ways to die: the installer at its N-th call of a kind; each program at its own N-th, the installer among them; and
all of them at once, at the N-th call that any of them made.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.slots import Prefix
from tests.bundle.small import TOGETHER, Machine

CALLS = {"write": "write,pwrite64", "fsync": "fsync,fdatasync", "rename": "rename,renameat,renameat2"}
EVERY = {"write": 4, "fsync": 2, "rename": 1}  # the long test takes every N-th point
Killer = Callable[[Machine, list[str], str, int], bool]


def installer(machine: Machine, command: list[str], call: str, number: int, *options: str) -> bool:
    """Run a command that dies at its N-th system call of a kind. Tells whether it died before it was done."""
    injected = f"inject={CALLS[call]}:signal=KILL:when={number}"
    rig = ["strace", *options, "-qq", "-o", "/dev/null", "-e", f"trace={CALLS[call]}", "-e", injected]
    return machine.run(command, *rig).returncode != 0


def each_program(machine: Machine, command: list[str], call: str, number: int) -> bool:
    """The same, and each program that it runs dies at its own N-th call."""
    return installer(machine, command, call, number, "-f")


def everything(machine: Machine, command: list[str], call: str, number: int) -> bool:
    """Run a command and kill it with all its programs once they have made N calls of a kind together."""
    reading, writing = os.pipe()
    rig = ["strace", "-f", "-qq", "-o", f"/dev/fd/{writing}", "-e", f"trace={CALLS[call]}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([*TOGETHER, *rig, *command], env=machine.environment(), pass_fds=[writing], **quiet)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        seen = sum(1 for _line, _number in zip(told, range(number), strict=False))
        if seen == number:
            running.kill()
    return running.wait() != 0 and seen == number


class Turn:
    """What is killed: a command, the version that answers before it and after it, and how to begin again."""

    def __init__(
        self, machine: Machine, command: list[str], before: str, done: str, undo: Callable[[], object]
    ) -> None:
        self.machine, self.command, self.before, self.done, self.undo = machine, command, before, done, undo

    def die(self, killer: Killer, call: str, number: int) -> str:
        """Kill the command at one point and see to it that all is well; return `old`, `new`, or `past` when it was done first."""
        where = (killer.__name__, call, number)
        if killer(self.machine, self.command, call, number):
            version = self.machine.version()
            assert version in (self.before, self.done), where
            outcome = "new" if version == self.done else "old"
            self.go_on(version, where)
        else:
            outcome = "past"
        assert self.machine.version() == self.done, where
        assert not self.machine.does("status")["unfinished"], where
        self.undo()
        return outcome

    def go_on(self, version: str, where: object) -> None:
        """Look at the state and give the same command again, unless it had ended."""
        status = self.machine.run(self.machine.command("status"))
        # before a first installation there is no release (1), perhaps not even a state (4)
        assert status.returncode == 0 or (version == "" and status.returncode in (1, 4)), (where, status.stderr)
        if version != self.done or json.loads(status.stdout)["unfinished"]:
            again = self.machine.run(self.command)
            assert again.returncode == 0, (where, again.stderr)


def first(machine: Machine, payloads: dict[str, Path]) -> Turn:
    """A first installation."""

    def undo() -> None:
        for folder in (machine.prefix, machine.home, machine.keys):
            shutil.rmtree(folder)

    undo()
    return Turn(machine, machine.install_command(payloads["1"]), "", "1.0", undo)


def upgrade(machine: Machine, payloads: dict[str, Path]) -> Turn:
    """An upgrade that has to fill its slot."""

    def undo() -> None:
        machine.does("rollback")
        place = Prefix(machine.prefix)
        place.remove(place.releases / "2.0")

    return Turn(machine, machine.install_command(payloads["2"]), "1.0", "2.0", undo)


def rollback(machine: Machine, payloads: dict[str, Path]) -> Turn:
    """A way back."""

    def undo() -> None:
        assert machine.install(payloads["2"]).returncode == 0

    undo()
    return Turn(machine, machine.command("rollback"), "2.0", "1.0", undo)


@pytest.fixture(autouse=True)
def _strace() -> None:
    if not shutil.which("strace") or not shutil.which("unshare") or os.geteuid() != 0:
        pytest.skip("needs `strace`, `unshare` and root")


def test_a_kill_leaves_the_old_or_the_new(machine: Machine, payloads: dict[str, Path]) -> None:
    """A sample; the long test takes all."""
    turn = upgrade(machine, payloads)
    assert turn.die(installer, "rename", 6) == "new"
    assert turn.die(everything, "fsync", 9) == "old"
    assert machine.labels() == ["kept"]


@pytest.mark.long
@pytest.mark.parametrize("killer", [installer, each_program, everything])
@pytest.mark.parametrize("action", [first, upgrade, rollback])
def test_a_kill_at_any_point(
    machine: Machine, payloads: dict[str, Path], action: Callable[[Machine, dict[str, Path]], Turn], killer: Killer
) -> None:
    turn, seen = action(machine, payloads), Counter[str]()
    for call, every in EVERY.items():
        number, outcome = 1, ""
        while outcome != "past":
            outcome = turn.die(killer, call, number)
            seen[outcome] += 1
            number += every
    sys.stdout.write(f"{action.__name__}, {killer.__name__}: {dict(seen)}\n")
    # a program that dies ends the installation early, so that the late points are those of the installer alone
    assert seen["old"] and (seen["new"] or killer is each_program), seen
    if action is not first:
        assert machine.labels() == ["kept"]
