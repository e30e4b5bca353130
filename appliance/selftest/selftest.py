"""`skerry selftest`: run every stage that this installation has, count what tries to leave, and sign what was seen."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance import __version__, device
from appliance.base.folder import BASE_JSON, bases_folder
from appliance.errors import IntegrityError, MissingPartError
from appliance.files import locked
from appliance.jobs import progress
from appliance.keys import key_folder
from appliance.selftest.evidence import tools, write
from appliance.selftest.stages import STAGES, Stage, absent
from appliance.selftest.watch import PLANTED, TEMPTING, Watch, Watched, watch
from appliance.store import Store
from appliance.words import _

__all__ = ["require_ok", "selftest"]


def selftest(
    store: Store, airgap: bool = False, out: Path | None = None, stages: Sequence[Stage] = STAGES
) -> dict[str, Any]:
    """Run the stages on built-in data in a temporary home with keys of its own; write the signed evidence to `out`, by default `evidence` in the home.

    With `airgap` each stage runs in a network namespace with nothing but loopback, under strace, with variables that tempt libraries to
    talk; an attempt to leave, a look-up included, is a fault, and so is a planted attempt that was not counted. `ok` is true only
    when every stage that is there passed and there is no fault. An absent stage is listed as such.
    """
    watched = watch(airgap)
    with _work_folder(store) as work:
        environment = _environment(work, bases_folder(store.settings.bases, store.home), airgap)
        control = _control(watched, work, environment) if watched.namespace else None
        rows = []
        for number, stage in enumerate(stages, 1):
            progress(stage.name, number)
            rows.append(_run(stage, watched, work, environment))
    evidence = _evidence(rows, watched, airgap, control, store.now())
    keys = key_folder(store.home, store.settings.store.key_folder)
    written = write(out or store.home / "evidence", evidence, keys)
    told = {key: evidence[key] for key in ("ok", "airgap", "attempts")}
    store.event("selftest", (), evidence_sha256=written["sha256"], **told)
    return {**told, "control": control, "stages": rows, "faults": evidence["faults"], **written}


def require_ok(result: dict[str, Any]) -> None:
    """Raise `MissingPartError` where the machine cannot watch, else `IntegrityError` with the faults, unless the result is ok."""
    if result["ok"]:
        return
    message = _("the self-test is not ok: {faults}", faults="; ".join(result["faults"]))
    passed = all(row["state"] != "failed" for row in result["stages"])
    unwatched = result["airgap"] and (result["attempts"] is None or result["control"] is None)
    if passed and unwatched and not result["attempts"]:
        raise MissingPartError(message)
    raise IntegrityError(message)


@contextmanager
def _work_folder(store: Store) -> Iterator[Path]:
    """Lend a folder on the home's disk, since models need room; one self-test at a time, and what a killed one left is removed."""
    with locked(store.scratch() / ".selftest"):
        store.clear_scratch("selftest")
        try:
            yield store.scratch("selftest")
        finally:
            store.clear_scratch("selftest")


def _run(stage: Stage, watched: Watch, work: Path, environment: dict[str, str]) -> dict[str, Any]:
    reason = absent(stage)
    if reason:
        return {"stage": stage.name, "state": "absent", "seconds": None, "attempts": None, "tried": [], "details": {}, "reason": reason}  # fmt: skip
    seen = watched.run([sys.executable, "-m", "appliance.selftest.stages", stage.name], work, environment)
    result = _result(seen)
    return {
        "stage": stage.name,
        "state": "passed" if seen.code == 0 and "details" in result else "failed",
        "seconds": round(seen.seconds, 1),
        "attempts": None if seen.attempts is None else len(seen.attempts),
        "tried": sorted(set(seen.attempts or ())),
        "details": result.get("details", {}),
        "reason": result.get("reason", ""),
    }


def _result(seen: Watched) -> dict[str, Any]:
    """Read a stage's last line; where it died before, its last word. The data is made up, so that no text of anybody can be in it."""
    try:
        found: dict[str, Any] = json.loads(seen.output.strip().split("\n")[-1])
    except ValueError:
        said = seen.errors.strip().split("\n")[-1]
        return {"reason": _("exit code {code}: {said}", code=seen.code, said=said or "-")}
    return found


def _control(watched: Watch, work: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Plant two attempts to leave, in the namespace only: they must be counted and stopped."""
    seen = watched.run([sys.executable, "-m", "appliance.selftest.watch", "--plant"], work, environment)
    counted = len(set(PLANTED) & set(seen.attempts or ()))
    return {"planted": len(PLANTED), "counted": counted, "stopped": seen.code == 0}


def _evidence(
    rows: list[dict[str, Any]], watched: Watch, airgap: bool, control: dict[str, Any] | None, made: str
) -> dict[str, Any]:
    counts = [row["attempts"] for row in rows if row["state"] != "absent"]
    attempts = None if None in counts else sum(counts)
    faults = [*watched.faults, *(f"{row['stage']}: {row['reason']}" for row in rows if row["state"] == "failed")]
    if attempts:
        faults.append(_("{attempts} attempts to leave this machine", attempts=attempts))
    if control and not (control["counted"] == control["planted"] and control["stopped"]):
        faults.append(_("the planted attempts were not counted and stopped, so that the other counts prove nothing"))
    return {
        "product": "skerry",
        "version": __version__,
        "made": made,
        "ok": not faults,
        "airgap": airgap,
        "attempts": attempts,
        "control": control,
        "faults": faults,
        "stages": rows,
        "hardware": device.describe(),
        "tools": tools(),
    }


def _environment(work: Path, installed_bases: Path, airgap: bool) -> dict[str, str]:
    """Return the variables of a stage: a home, keys and temporary files of its own, base models by link, and for `airgap` what tempts to talk."""
    (work / "bases").mkdir()
    (work / "tmp").mkdir()
    for found in sorted(installed_bases.glob(f"[!.]*/{BASE_JSON}")):
        (work / "bases" / found.parent.name).symlink_to(found.parent.absolute())
    # ONNX Runtime is silent where `CI` is set: it must not be told
    dropped = {"CI", "NO_PROXY", "no_proxy"}
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in dropped and (key == "SKERRY_LANG" or not key.startswith("SKERRY_"))
    }
    return (
        kept
        | (TEMPTING if airgap else {})
        | {
            "SKERRY_HOME": str(work / "home"),
            "SKERRY_STORE__KEY_FOLDER": str(work / "keys"),
            "SKERRY_BASES__FOLDER": str(work / "bases"),
            "TMPDIR": str(work / "tmp"),
            "PYTHONPATH": _code_folder(),
        }
    )


def _code_folder() -> str:
    """Return the folder that holds this package: a stage must run the code that is being proved."""
    found = importlib.util.find_spec("appliance")
    assert found and found.submodule_search_locations
    return str(Path(next(iter(found.submodule_search_locations))).parent)
