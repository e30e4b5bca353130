"""Turn an installation to another slot: one switch between two states that each work, and a way back by itself.

Before the switch an intent is written down, after the health check it is taken out: whoever comes after a cut sees
which release is in use (`current`) and which turn was under way, and the same command goes on with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle import units
from bundle.errors import BundleError, InputError
from bundle.slots import Prefix, Programs, profile
from bundle.words import _, tell

Json = dict[str, Any]
_SNAPSHOTS_KEPT = 3

# The store is SQLite: its backup API copies it page by page, also while others use it (sqlite.org/backup.html).
_COPY = """
import os, pathlib, sqlite3, sys
source, target = sys.argv[1:]
pathlib.Path(target).parent.mkdir(mode=0o700, exist_ok=True)
new = target if os.path.exists(target) else target + ".new"
with sqlite3.connect(source) as one, sqlite3.connect(new) as other:
    one.backup(other)
    said = other.execute("PRAGMA integrity_check").fetchone()[0]
one.close()
other.close()
if said != "ok":
    sys.exit(f"{target}: {said}")
descriptor = os.open(new, os.O_RDONLY)
os.fsync(descriptor)
os.replace(new, target)
os.fsync(os.open(os.path.dirname(target), os.O_RDONLY))
"""


def turn(place: Prefix, target: Path, site: Mapping[str, Any], programs: Programs, action: str, steps: Any) -> Json:
    """Make the complete slot `target` the one in use and return the new state; `action` is `install` or `rollback`.

    The services stop, the store is copied and migrated (not on the way back: migrations only add), `current` switches,
    the services start, the health check runs. When a step fails, the release before is put back and the error raised.
    """
    before, was = came_from(place, target), place.state()
    state: Json = {**was, **site, "intent": {"action": action, "slot": target.name, "previous": before and before.name}}
    place.write_state(state)
    with steps("drain", _("stopped the services")):
        units.stop(place, site)
    snapshot = None
    try:
        if action == "install" and profile(target).get("own", True):
            with steps("snapshot", _("copied the store")):
                snapshot = _snapshot(target, programs)
            with steps("migrate", _("opened the store with the new release")):
                programs.run([skerry(target), "init"], _("the new release cannot open the store"))
        with steps("switch", _("switched to `{name}`", name=target.name)):
            place.switch(target)
        with steps("health", _("the release in use is well")):
            units.start(site)
            healthy(place.link, programs)
    except (BundleError, OSError) as error:
        _go_back(place, before, site, programs, snapshot)
        place.write_state({**_settled(was), "history": _with(was, target, f"{action} failed")})
        if isinstance(error, OSError):
            raise
        raise InputError(
            _(
                "`{name}` was not taken: {error}\nin use: {before}",
                name=target.name,
                error=error,
                before=before.name if before else _("nothing"),
            )
        ) from error
    serial = max(int(was.get("serial", 0)), profile(target)["serial"])
    state |= {"serial": serial, "previous": _previous(was, before, target, action)}
    state = {**_settled(state), "history": _with(was, target, action)}
    place.write_state(state)
    return state


def came_from(place: Prefix, target: Path) -> Path | None:
    """Return the slot to go back to when `target` fails: the one in use, or, behind a switch that was cut off, the one before it."""
    current, intent = place.current(), place.state().get("intent", {})
    if current == target and intent.get("slot") == target.name:
        return place.releases / intent["previous"] if intent["previous"] else None
    return current


def _previous(was: Mapping[str, Any], before: Path | None, target: Path, action: str) -> str | None:
    """Return what a later rollback turns to: nothing behind a rollback, and what it was when nothing was turned."""
    if before == target:
        return was.get("previous")
    return before.name if before and action == "install" else None


def _settled(state: Mapping[str, Any]) -> Json:
    return {key: value for key, value in state.items() if key != "intent"}


def healthy(slot: Path, programs: Programs) -> None:
    """Run `skerry doctor` of a slot on the site's own home. Raises `InputError` naming what is not well."""
    if profile(slot).get("own", True):
        check_doctor(programs.run([skerry(slot), "doctor", "--json"], _("the health check failed")))


def check_doctor(said: str) -> None:
    """Raise `InputError` unless the report of `skerry doctor --json` says that all that is needed is there."""
    report = json.loads(said)
    if not report["ok"]:
        faults = [check for check in report["checks"] if check["needed"] and not check["ok"]]
        raise InputError(
            _("not well: {faults}", faults="; ".join(f"{one['name']}: {one['found']} {one['next']}" for one in faults))
        )


def skerry(slot: Path) -> Path:
    """Return the command of a slot."""
    return slot / "venv" / "bin" / "skerry"


def command_of(place: Prefix, about: Mapping[str, Any]) -> Path:
    """Return the command of a release, outside its slot: `bin/skerry`, or an add-on's."""
    return place.command.with_name(about.get("command", place.command.name))


def _snapshot(target: Path, programs: Programs) -> Path | None:
    store, folder = programs.home / "skerry.db", programs.home / "snapshots"
    if not store.exists():
        return None
    there = sorted(folder.glob("[0-9]*.db"))
    number = int(there[-1].name.split("-")[0]) + 1 if there else 1
    snapshot = folder / f"{number:06d}-before-{target.name}.db"
    _copy(target, store, snapshot, programs)
    for old in [*there, snapshot][:-_SNAPSHOTS_KEPT]:
        old.unlink()
    return snapshot


def _copy(slot: Path, source: Path, target: Path, programs: Programs) -> None:
    programs.run([slot / "venv" / "bin" / "python", "-I", "-c", _COPY, source, target], _("cannot copy the store"))


def _go_back(
    place: Prefix, before: Path | None, site: Mapping[str, Any], programs: Programs, snapshot: Path | None
) -> None:
    tell(_("going back"))
    units.stop(place, site)
    untouched = place.current() == before  # behind the switch the services may have written to the store
    if not untouched:
        place.switch(before)
    if before is None:
        return
    if snapshot and untouched:
        _copy(before, snapshot, programs.home / "skerry.db", programs)
    try:
        healthy(before, programs)
    except BundleError:
        if snapshot is None or untouched:
            raise
        _copy(before, snapshot, programs.home / "skerry.db", programs)
        healthy(before, programs)
    units.start(site)


def _with(state: Mapping[str, Any], slot: Path, action: str) -> list[Json]:
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"time": moment, "action": action, "slot": slot.name, "serial": profile(slot)["serial"]}
    return [*state.get("history", []), line]


class Steps:
    """Tells each step with its seconds, and keeps them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, sentence: str) -> _Step:
        """Return what times the block of one step; `sentence` is told when it has ended well."""
        return _Step(self, name, sentence)


class _Step:
    def __init__(self, steps: Steps, name: str, sentence: str) -> None:
        self.steps, self.name, self.sentence = steps, name, sentence

    def __enter__(self) -> None:
        self.begin = time.monotonic()

    def __exit__(self, kind: Any, _error: Any, _trace: Any) -> None:
        if kind is None:
            seconds = time.monotonic() - self.begin
            self.steps.seconds[self.name] = round(seconds, 2)
            tell(_("{seconds:6.1f} s  {sentence}", seconds=seconds, sentence=self.sentence))
