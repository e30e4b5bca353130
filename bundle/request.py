"""The request file: what a sealed machine lacks, names and versions alone, carried out by hand and answered with a bundle."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.errors import InputError, UsageError
from bundle.words import _

Json = dict[str, Any]

FORMAT = "skerry-request-1"
# PEP 508's name, and a version as PEP 440 writes it. Nothing longer leaves: a request carries no data.
_REQUIREMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?(?:==[0-9][0-9A-Za-z.+!-]{0,31})?")
_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}|hub:[A-Za-z0-9._-]{1,96}/[A-Za-z0-9._-]{1,96}@[0-9a-f]{40}")
_MOST = 100


@dataclass(frozen=True)
class Request:
    """What is asked for: `name` or `name==version` of packages, names of models."""

    requirements: tuple[str, ...]
    models: tuple[str, ...]


def no_request() -> Request:
    """Return the request that asks for nothing."""
    return Request((), ())


def request(out: Path, package: Sequence[str] = (), model: Sequence[str] = ()) -> Json:
    """Write the request for `package` (`name` or `name==version`) and `model` to the new file `out`, and return what it says.

    It names this machine's platform, Python and C library beside, so that the answer fits. Raises `UsageError` for what is
    no name, and where nothing is asked for or `out` is there already.
    """
    package, model = list(package or ()), list(model or ())
    for one, form in [(one, _REQUIREMENT) for one in package] + [(one, _MODEL) for one in model]:
        if not form.fullmatch(one):
            raise UsageError(_("`{name}` is no name; write `--package name==version` or `--model name`", name=one))
    if not package and not model:
        raise UsageError(_("a request asks for something: `--package name==version` or `--model name`"))
    if out.exists():
        raise UsageError(_("`{out}` is there already; name another file", out=out))
    content = {
        "format": FORMAT,
        "platform": f"linux-{platform.machine()}",
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "glibc": platform.libc_ver()[1],
        "packages": sorted(set(package)),
        "models": sorted(set(model)),
    }
    out.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "ascii")
    return {"out": str(out), **content}


def read_request(path: Path) -> Request:
    """Read a request on the connected side. Raises `InputError` for anything but what `request` writes: it comes from outside."""
    try:
        content = json.loads(path.read_bytes())
        if (
            set(content) != {"format", "platform", "python", "glibc", "packages", "models"}
            or content["format"] != FORMAT
        ):
            raise ValueError(FORMAT)
        if not isinstance(content["packages"], list) or not isinstance(content["models"], list):
            raise TypeError(FORMAT)
        packages, wanted = tuple(content["packages"]), tuple(content["models"])
        good = all(_REQUIREMENT.fullmatch(one) for one in packages) and all(_MODEL.fullmatch(one) for one in wanted)
        if not good or len(packages) + len(wanted) > _MOST:
            raise ValueError(FORMAT)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(_("`{path}` is no request file; write one with `skerry-bundle request`", path=path)) from error
    return Request(packages, wanted)
