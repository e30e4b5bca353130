"""What can be done with an installation later on: see it, turn back, take it away."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle import advice, units
from bundle.errors import NotFoundError, PolicyError
from bundle.sign import fingerprint, on_paper
from bundle.slots import COMPLETE, Prefix, Programs, default_prefix, profile, room_named
from bundle.turn import Steps, command_of, turn
from bundle.words import _, tell

Json = dict[str, Any]


def rollback(prefix: Path | None = None) -> Json:
    """Turn to the release before the one in use; given again after a cut, it goes on.

    The store stays as it is: migrations only add, so the earlier release reads it, newer labels and events with it.
    Raises `NotFoundError` when there is no release to go back to, `InputError` when it is not well (then nothing changed).
    """
    place, steps = _installed(prefix), Steps()
    with room_named(place.path), place.locked() as lock:
        state = place.state()
        target = _target(place, state)
        programs = Programs(Path(state["home"]), Path(state["keys"]) if state["keys"] else None, state["user"], lock)
        left = place.current()
        turn(place, target, state, programs, "rollback", steps)
    about = profile(target)
    return {"ok": True, "version": about["version"], "left": left and left.name, "seconds": steps.seconds}


def _target(place: Prefix, state: Mapping[str, Any]) -> Path:
    """Return the slot to turn to: that of a rollback that was cut off, what an installation that was cut off came from, or the one before."""
    intent = state.get("intent", {})
    name = intent.get("slot") if intent.get("action") == "rollback" else intent.get("previous") or state.get("previous")
    if not name or not (place.releases / name / COMPLETE).is_file():
        raise NotFoundError(_("there is no earlier release in `{path}` to go back to", path=place.releases))
    return place.releases / str(name)


def status(prefix: Path | None = None) -> Json:
    """Return what is in use, what came before, what was left unfinished, and whom the site trusts. Changes nothing."""
    place = _installed(prefix)
    state, current = place.state(), place.current()
    known = advice.in_place(place, current) if current else None
    return {
        "ok": current is not None,
        "version": profile(current)["version"] if current else None,
        "profile": profile(current).get("profile") if current else None,
        "serial": place.highest_serial(),
        "slot": str(current) if current else None,
        "previous": state.get("previous"),
        "unfinished": state.get("intent"),
        "home": state.get("home"),
        "command": str(command_of(place, profile(current))) if current else None,
        **{
            name: on_paper(fingerprint(path)) if path.is_file() else None
            for name, path in (("vendor", place.vendor_key), ("second", place.second_key), ("sm2", place.sm2_key))
        },
        "appliance": on_paper(state["appliance"]) if state.get("appliance") else None,
        "advisories": advice.told(known) if known else None,
        "history": state.get("history", []),
    }


def uninstall(prefix: Path | None = None, remove_home: Path | None = None) -> Json:
    """Remove services, releases and command. `state.json` stays, so that an older bundle is refused later too.

    The home with all data stays, unless `remove_home` is its path, typed. Raises `PolicyError` when it is another path.
    """
    place = _installed(prefix)
    with room_named(place.path), place.locked():
        state = place.state()
        if remove_home and str(remove_home.absolute()) != state.get("home"):
            raise PolicyError(_("`{typed}` is not the home; it is `{home}`", typed=remove_home, home=state.get("home")))
        units.stop(place, state)
        units.remove(state)
        if place.link.is_symlink():
            place.switch(None)
        for slot in place.releases.glob("*"):
            place.remove(slot)
        for folder in (place.releases, place.command.parent, place.staging, place.staging.with_name("staging-payload")):
            shutil.rmtree(folder, ignore_errors=True)
        (place.path / advice.REPORT).unlink(missing_ok=True)
        place.write_state({**state, "intent": {}, "previous": None})
        if remove_home and remove_home.exists():
            shutil.rmtree(remove_home)
    kept = [path for path in (state.get("home"), state.get("keys")) if path and Path(path).exists()]
    if kept:
        tell(_("left in place: {paths}", paths=", ".join(f"`{path}`" for path in kept)))
    return {"ok": True, "removed": str(place.releases), "kept": kept}


def _installed(prefix: Path | None) -> Prefix:
    place = Prefix(prefix or default_prefix())
    if not place.state_file.exists():
        raise NotFoundError(_("nothing is installed in `{path}`; name another `--prefix`", path=place.path))
    return place
