"""What each package and model is licensed under, as its own metadata says: a list for machines and a page to read."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from email.message import Message
from functools import partial
from typing import Any

from bundle.models import Model
from bundle.wheels import Wheel, metadata
from bundle.words import in_language

Json = dict[str, Any]

UNKNOWN = "UNKNOWN"
_COPYLEFT = ("GPL", "MPL", "EUPL", "CDDL", "EPL", "MOZILLA")


@dataclass(frozen=True)
class Licence:
    """One licence: whose, what it is called, which field said so, and the files with its text inside the wheel or model."""

    kind: str
    name: str
    version: str
    licence: str
    said_by: str
    texts: tuple[str, ...]

    @property
    def copyleft(self) -> bool:
        """Tell whether its name is that of a licence with duties on passing changed code on."""
        return any(word in self.licence.upper() for word in _COPYLEFT)


def licences(wheels: Sequence[Wheel], models: Sequence[Model]) -> list[Licence]:
    """Return one entry for every wheel and model, sorted by kind and name. What says nothing is `UNKNOWN`, never left out."""
    found = [_of_package(wheel) for wheel in wheels] + [_of_model(model) for model in models]
    return sorted(found, key=lambda one: (one.kind, one.name))


def _of_package(wheel: Wheel) -> Licence:
    about = metadata(wheel.path)
    licence, field = _stated(about)
    return Licence(
        "package", wheel.name, wheel.version, licence, field, tuple(sorted(about.get_all("License-File", [])))
    )


def _stated(about: Message) -> tuple[str, str]:
    # Newest field first: License-Expression (PEP 639), License, then the classifiers.
    if expression := about.get("License-Expression"):
        return str(expression), "License-Expression"
    classifiers = [
        str(one).rpartition(" :: ")[2] for one in about.get_all("Classifier", []) if str(one).startswith("License ::")
    ]
    classifiers = [one for one in classifiers if one != "OSI Approved"]
    text = " ".join(str(about.get("License", "")).split())
    if text and text.upper() != UNKNOWN and len(text) <= 80:
        return text, "License"
    if classifiers:
        return " OR ".join(sorted(classifiers)), "Classifier"
    return (text[:77] + "...", "License") if text and text.upper() != UNKNOWN else (UNKNOWN, "")


def _of_model(model: Model) -> Licence:
    stated = str(model.about["licence"])
    known = stated and stated.lower() != "unknown"
    texts = tuple(path for path in sorted(model.about["files"]) if path.upper().startswith(("LICENSE", "NOTICE")))
    return Licence(
        "model",
        model.name,
        model.about["sha256"][:12],
        stated if known else UNKNOWN,
        "base.json" if known else "",
        texts,
    )


def as_json(found: Sequence[Licence]) -> Json:
    """Return the list for machines."""
    return {
        "licences": [{**asdict(one), "copyleft": one.copyleft} for one in found],
        "unknown": [f"{one.name} {one.version}" for one in found if one.licence == UNKNOWN],
        "data": [],
    }


def page(found: Sequence[Licence]) -> str:
    """Return the page to read, Chinese and English, unknown licences and those with duties first. No script, nothing from elsewhere."""
    order = sorted(found, key=lambda one: (one.licence != UNKNOWN, not one.copyleft, one.kind, one.name))
    rows = "".join(_row(one) for one in order)
    title, *heads = (" / ".join(pair) for pair in zip(_heads("zh"), _heads("en")))
    return (
        '<!doctype html>\n<html lang="zh"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>body{{font:15px sans-serif;margin:2em}}td,th{{text-align:left;padding:2px 12px}}"
        f".unknown{{background:#fdd}}.copyleft{{background:#ffd}}</style></head>\n<body><h1>{title}</h1>\n"
        f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>\n{rows}</table></body></html>\n"
    )


def _heads(which: str) -> list[str]:
    _ = partial(in_language, which)
    return [_("Licences of what is carried"), _("What"), _("Version"), _("Licence"), _("Said by")]


def _row(one: Licence) -> str:
    colour = "unknown" if one.licence == UNKNOWN else "copyleft" if one.copyleft else ""
    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in (one.name, one.version, one.licence, one.said_by))
    return f'<tr class="{colour}">{cells}</tr>\n'
