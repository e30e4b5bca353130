"""Events of a process that has no store: the server, which loads no database.

Each event is one durable file in `spool/` of the home; whoever next opens the store takes it into the hash-chained log,
once, in the order of writing. So a deed of the server is on disk before it happens, as one of the command line is.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import HardwareError
from appliance.files import canonical, write_durably
from appliance.log import now
from appliance.reasons import reason
from appliance.words import _

_FOLDER = "spool"


@dataclass(frozen=True, slots=True)
class Spool:
    """The event log of one project as far as a process without the store can write it: it stands in for a `Store` there."""

    home: Path
    project: str
    actor: str

    @staticmethod
    def now() -> str:
        """Return the time as ISO 8601 UTC, to the millisecond."""
        return now()

    def event(self, verb: str, artifacts: Iterable[str] = (), **details: Any) -> None:
        """Write one event: ids, counts and names of ours, never record text. Raises `HardwareError` when it cannot be written."""
        identity = uuid.uuid4().hex
        content = {
            "project": self.project,
            "actor": self.actor,
            "verb": verb,
            "artifacts": list(artifacts),
            "details": details | {"spool": identity, "at": now()},
        }
        folder = self.home / _FOLDER
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
            write_durably(folder / f"{time.time_ns():020d}-{identity}.json", canonical(content))
        except OSError as error:
            raise HardwareError(
                _(
                    "cannot write the event `{verb}` to `{folder}`: {error}",
                    verb=verb,
                    folder=folder,
                    error=reason(error),
                )
            ) from error


def waiting(home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the events that wait, oldest first, each with its file. One that cannot be read is left out and left there."""
    for path in sorted((home / _FOLDER).glob("[!.]*.json")):
        try:
            content = json.loads(path.read_bytes())
            wanted = (
                content["project"],
                content["actor"],
                content["verb"],
                content["artifacts"],
                content["details"]["spool"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if all(wanted[:3]):
            yield path, content
