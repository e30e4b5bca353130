"""A recipe: one TOML file that says the whole story from files to a live release."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from appliance.errors import SettingsError
from appliance.reasons import reason
from appliance.settings import Section, Settings, reason_of
from appliance.words import _

__all__ = ["Recipe", "read_recipe"]


class DataPart(Section):
    """`[data]`: which files, which columns."""

    files: list[Path] = Field(min_length=1)
    name: str | None = None
    text: str = "text"
    label: str | None = "label"
    id: str | None = None
    split: str | None = None
    group: str | None = None
    subject: str | None = None
    keep: tuple[str, ...] = ()
    language: Literal["en", "zh", "auto"] = "auto"
    sheet: str | None = None
    header_row: int = 1
    encoding: str | None = None


class ReleasePart(Section):
    """`[release]`: under which name, and at which stage, the model answers."""

    name: str | None = None
    to: Literal["shadow", "canary", "live"] = "live"
    min_score: float = Field(0.0, ge=0, le=1)


class Recipe(Section):
    """The parts of a recipe. `overrides` holds the sections that are settings (`scrub`, `clean`, `curate`, `train`, `export`, ...)."""

    name: str
    data: DataPart
    model: str
    release: ReleasePart
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def files(self) -> list[Path]:
        """Return the files that the recipe reads: when one of them changes, it is another job."""
        policy = Path(str(self.overrides.get("scrub", {}).get("policy", "")))
        taggers = map(Path, self.overrides.get("scrub", {}).get("taggers", ()))
        return [*self.data.files, *([policy] if policy.is_absolute() else []), *taggers]

    def arguments(self) -> dict[str, Any]:
        """Return what `pipeline.run` takes, as plain JSON."""
        data = self.data
        options = {
            "text_column": data.text,
            "label_column": data.label,
            "id_column": data.id,
            "split_column": data.split,
            "group_column": data.group,
            "subject_column": data.subject,
            "keep_columns": list(data.keep),
            "language": data.language,
            "sheet": data.sheet,
            "header_row": data.header_row,
            "encoding": data.encoding,
        }
        release = self.release.model_dump() | {"name": self.release.name or self.model}
        files = [str(file) for file in data.files]
        return {
            "data": {"files": files, "name": data.name or self.name, "options": options},
            "model": self.model,
            "release": release,
            "overrides": self.overrides,
        }


def _find_files(scrub: dict[str, Any], folder: Path) -> None:
    """Make the policy file, key files and taggers of `[scrub]` absolute; a shipped policy's name stays a name."""
    policy = scrub.get("policy")
    if isinstance(policy, str) and (folder / policy).is_file():
        scrub["policy"] = str(folder / policy)
    for name in ("vault", "taggers"):
        if isinstance(scrub.get(name), list):
            scrub[name] = [str(folder / str(file)) for file in scrub[name]]


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; files in it are relative to its folder. The model is called `[train] name`, else the recipe's file name.

    Raises `SettingsError` for a file that is missing or no TOML, an unknown section or key (naming the nearest right one), a missing `[data] files`.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(_("cannot read the recipe `{path}`: {error}", path=path, error=reason(error))) from error
    settings_sections = set(Settings.model_fields) - {"store", "bases", "jobs", "serve", "release"}
    for section, part in content.items():
        known = settings_sections | {"data", "release"}
        if section not in known:
            near = difflib.get_close_matches(section, known, n=1, cutoff=0.0)[0]
            raise SettingsError(
                _(
                    "unknown section `[{section}]` in `{path}`; the nearest known one is `[{near}]`",
                    section=section,
                    path=path,
                    near=near,
                )
            )
        if not isinstance(part, dict):
            raise SettingsError(
                _("recipe `{path}`: `{section}` is a section: write `[{section}]`", path=path, section=section)
            )
    overrides = {section: dict(content[section]) for section in settings_sections if section in content}
    _find_files(overrides.get("scrub", {}), path.parent.absolute())
    model = overrides.get("train", {}).pop("name", None) or path.stem
    data = dict(content.get("data", {}))
    files = data.get("files", [])
    if isinstance(files, list) and all(isinstance(file, str) for file in files):
        data["files"] = [path.parent.absolute() / file for file in files]
    try:
        return Recipe(
            name=path.stem,
            data=DataPart(**data),
            model=model,
            release=ReleasePart(**content.get("release", {})),
            overrides=overrides,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        if first["type"] != "extra_forbidden":
            raise SettingsError(
                _("recipe `{path}`: `{place}`: {reason}", path=path, place=place, reason=reason_of(first))
            ) from error
        keys = [*DataPart.model_fields, *ReleasePart.model_fields]
        near = difflib.get_close_matches(place, keys, n=1, cutoff=0.0)[0]
        raise SettingsError(
            _(
                "recipe `{path}`: unknown key `{place}`; the nearest known one is `{near}`",
                path=path,
                place=place,
                near=near,
            )
        ) from error
