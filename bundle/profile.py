"""A profile: what a bundle is for, which machine it is built for, and what goes in. One TOML file each, in `bundle/profiles/`."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.errors import NotFoundError, UsageError
from bundle.words import _

Json = dict[str, Any]

PROFILES = Path(__file__).parent / "profiles"
ROOT = Path(__file__).resolve().parents[1]

_PLATFORMS = ("linux-x86_64", "linux-aarch64")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,31}")


@dataclass(frozen=True)
class Addition:
    """A library that the package index does not serve: the builder lays its wheels into the folder named by `--add`."""

    name: str
    source: str
    needed: bool = False


@dataclass(frozen=True)
class Profile:
    """What one kind of bundle holds. Every field stands under the same name in the TOML file."""

    name: str
    python: str
    """The target's Python, as `3.11`."""
    platform: str
    """`linux-x86_64` or `linux-aarch64`."""
    glibc: str
    """The oldest C library of the target, as `2.28`; no wheel that asks for a newer one is taken."""
    lock: str = ""
    """A name in `locks/`, or a path ending in `.txt`, from the profile's folder; empty resolves anew for the target."""
    tools: str = "tools"
    """The lock of the installers that are carried beside (`uv`, `pip`)."""
    extras: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """Further requirements, as `label-studio==1.23.2`."""
    own: bool = True
    """Whether Skerry itself goes in; an add-on has an environment of its own."""
    narrow: bool = False
    """Take only what `extras` need out of a lock that pins more."""
    models: tuple[str, ...] = ()
    """Base models: names of `bundle/models.toml`, or `hub:owner/name@commit`."""
    nlp_models: tuple[str, ...] = ()
    """Language models that scrubbing needs: names of `bundle/models.toml`."""
    services: tuple[str, ...] = ()
    command: str = "skerry"
    """The program of the environment that the operator runs."""
    environment: Json = field(default_factory=dict)
    """What it finds in its environment unless the operator says otherwise; `{home}` is the site's folder of data."""
    stages: tuple[str, ...] = ()
    """What `skerry selftest` can run in this installation."""
    accelerator: Json = field(default_factory=dict)
    """What the machine's GPU must be, for preflight."""
    repin: tuple[str, ...] = ()
    """Packages (with `*`) whose pins in the lock do not hold: another build of the GPU libraries is resolved anew."""
    additions: tuple[Addition, ...] = ()
    allow_unknown_advisories: bool = False
    file: Path = PROFILES / "-"

    @property
    def machine(self) -> str:
        """Return `x86_64` or `aarch64`."""
        return self.platform.partition("-")[2]

    def lock_file(self, name: str) -> Path:
        """Return the path of a lock. Raises `NotFoundError` if there is none."""
        path = self.file.parent / name if name.endswith(".txt") else ROOT / "locks" / f"{name}.txt"
        if not path.is_file():
            raise NotFoundError(
                _("profile `{profile}` names the lock `{path}`, which is not there", profile=self.name, path=path)
            )
        return path


def for_target(profile: Profile, platform: str = "", variant: str = "") -> Profile:
    """Return the profile for another platform, or with another variant of its `accelerator`. Raises `UsageError` for one that it has not."""
    if platform and platform not in _PLATFORMS:
        raise UsageError(
            _("no platform `{platform}`; there are: {known}", platform=platform, known=", ".join(_PLATFORMS))
        )
    changed = dataclasses.replace(profile, platform=platform or profile.platform)
    if not variant:
        return changed
    variants = profile.accelerator.get("variants", {})
    if variant not in variants:
        known = ", ".join(variants) or "-"
        raise UsageError(
            _(
                "profile `{profile}` has no variant `{variant}`; there are: {known}",
                profile=profile.name,
                variant=variant,
                known=known,
            )
        )
    chosen = variants[variant]
    return dataclasses.replace(
        changed,
        accelerator={**profile.accelerator, "variant": variant},
        packages=(*profile.packages, *chosen.get("packages", ())),
        repin=tuple(chosen.get("repin", ())),
    )


def shipped() -> list[str]:
    """Return the names of the profiles that come with Skerry, sorted."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def load(name: str) -> Profile:
    """Read a profile by its shipped name or its path. Raises `NotFoundError` if there is none, `UsageError` for one that cannot be used."""
    import tomllib

    path = PROFILES / f"{name}.toml" if name in shipped() else Path(name)
    if not path.is_file():
        raise NotFoundError(
            _("no profile `{name}`; name a file, or one of: {names}", name=name, names=", ".join(shipped()))
        )
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        additions = tuple(Addition(**one) for one in content.pop("additions", ()))
        fields: Json = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
        fields = {"name": path.stem, **fields, "additions": additions, "file": path.resolve()}
        profile = Profile(**fields)
    except (TypeError, ValueError) as error:
        raise UsageError(_("cannot read profile `{path}`: {reason}", path=path, reason=error)) from error
    _check(profile, path)
    return profile


def _check(profile: Profile, path: Path) -> None:
    wrong = [one for one in dataclasses.fields(Profile) if not _fits(getattr(profile, one.name), str(one.type))]
    checks = {
        "name": bool(_NAME.fullmatch(str(profile.name))),
        "platform": profile.platform in _PLATFORMS,
        "python": bool(re.fullmatch(r"3\.(9|[1-9][0-9])", str(profile.python))),
        "glibc": bool(re.fullmatch(r"2\.[1-9][0-9]", str(profile.glibc))),
    }
    names = [one.name for one in wrong] + [key for key, good in checks.items() if not good]
    if names:
        value = getattr(profile, names[0])
        raise UsageError(
            _(
                "profile `{path}`: `{key}` cannot be `{value}`; see `{folder}`",
                path=path,
                key=names[0],
                value=value,
                folder=PROFILES,
            )
        )


def _fits(value: Any, kind: str) -> bool:
    if kind == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    known = {"str": str, "bool": bool, "Json": dict, "Path": Path}
    return isinstance(value, known.get(kind, tuple))
