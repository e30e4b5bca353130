"""A policy: which kinds of personal data are looked for, and what stands in their place. One TOML file, shipped or your own.

::

    [policy]
    name = "ward-7"                  what the report calls it
    mode = "balanced"                balanced, max-recall or structured-only
    min_score = 0.4                  findings below this score stay
    law = "hipaa-safe-harbor"        whose classes `skerry policy check` goes through (optional)
    default = "placeholder"          the operator of the kinds that are not named below
    off = ["URL"]                    kinds that are not looked for
    en = "..."                       what it is, for people
    zh = "..."
    source = "..."

    [kinds]
    PERSON = "surrogate"
    AGE = { operator = "generalise", band = 10 }
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from appliance.errors import SettingsError
from appliance.privacy.kinds import FORMS, KINDS
from appliance.reasons import reason
from appliance.words import _, language

__all__ = ["OPERATORS", "Mode", "OperatorSpec", "Policy", "check", "laws", "load", "policies", "shipped"]

Mode = Literal["balanced", "max-recall", "structured-only"]

# Each operator with its options and what they may be.
OPERATORS: Mapping[str, Mapping[str, Container[Any]]] = {
    "placeholder": {},
    "surrogate": {},
    "mask": {"form": ("jrt-0171", "all")},
    "hmac": {"length": range(16, 65)},
    "date-shift": {"days": range(1, 3651)},
    "generalise": {"date": ("year", "month"), "band": range(1, 31)},
    "suppress": {},
    "keep": {},
    "vault": {},
}
# Kinds on which an operator does something; on others it gives way to the placeholder.
_WORKS_ON = {
    "date-shift": frozenset(("DATE", "BIRTH_DATE")),
    "generalise": frozenset(("AGE", "DATE", "BIRTH_DATE", "POSTCODE", "ADDRESS", "LOCATION")),
    "surrogate": frozenset(kind.name for kind in KINDS) - {"NATIONALITY", "GPS", "SECRET", "CARD_SECURITY"},
}
_BY_MODELS = frozenset(("PERSON", "ORGANIZATION", "LOCATION", "NATIONALITY"))
_FOLDER = Path(__file__).parent / "policies"
_LAWS = Path(__file__).parent / "laws.toml"
_HIGH_SCORE = 0.6
_NAME = re.compile(r"[A-Za-z0-9_\-.\u4e00-\u9fff]{1,64}")
_KEYS = ("name", "mode", "min_score", "law", "default", "off", "en", "zh", "source")


@dataclass(frozen=True)
class OperatorSpec:
    """What stands in place of a finding: an operator's name and its options."""

    operator: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """A policy that was read and found sound. `kinds` are looked for; `digest` is the SHA-256 of what it does (64 hex digits)."""

    name: str
    mode: Mode
    kinds: frozenset[str]
    operators: Mapping[str, OperatorSpec]
    default: OperatorSpec
    min_score: float
    en: str
    zh: str
    source: str
    digest: str
    law: str = ""

    def operator(self, kind: str) -> OperatorSpec:
        """Return what stands in place of a finding of `kind`."""
        return self.operators.get(kind, self.default)


def shipped() -> list[str]:
    """Return the names of the policies that come with Skerry."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name_or_path: str | Path) -> Policy:
    """Read a shipped policy by name, or a TOML file by path. Raises `SettingsError` for the first fault, naming the nearest right word."""
    path = find(name_or_path)
    content = read(path)
    for fault in faults(content):
        raise SettingsError(_("policy `{file}`: {fault}", file=path, fault=fault))
    return _build(content)


def policies() -> list[dict[str, Any]]:
    """Return the shipped policies, described in the reader's language."""
    found = map(load, shipped())
    return [
        {
            "policy": each.name,
            "mode": each.mode,
            "description": each.zh if language() == "zh" else each.en,
            "source": each.source,
            "digest": each.digest[:12],
            "file": str(_FOLDER / f"{each.name}.toml"),
        }
        for each in found
    ]


def check(name_or_path: str | Path) -> dict[str, Any]:
    """Look a policy over: `errors` keep it from being used, `warnings` do not; `classes` says for each class of its law what becomes of it.

    Returns `{policy, ok, digest, errors, warnings, law, classes}`. Raises `SettingsError` for a file that is not there or no TOML.
    """
    path = find(name_or_path)
    content = read(path)
    errors = list(faults(content))
    if errors:
        return {
            "policy": str(path),
            "ok": False,
            "digest": None,
            "errors": [{"error": each} for each in errors],
            "warnings": [],
            "law": "",
            "classes": [],
        }
    policy = _build(content)
    law = laws().get(policy.law, {})
    classes = [_covered(policy, each) for each in law.get("classes", ())]
    return {
        "policy": policy.name,
        "ok": True,
        "digest": policy.digest,
        "errors": [],
        "warnings": [
            {"warning": each} for each in (*_warnings(policy, content), *_gaps(classes), *_doubts(policy, law))
        ],
        "law": " ".join(filter(None, (_told(law), law.get("source")))),
        "classes": classes,
    }


def laws() -> dict[str, Any]:
    """Return what each law names: its classes with their kinds, what no scrub of text covers, what it holds against an operator."""
    return tomllib.loads(_LAWS.read_text("utf-8"))


def _told(words: Mapping[str, Any]) -> str:
    return str(words.get(language(), ""))


def _covered(policy: Policy, each: Mapping[str, Any]) -> dict[str, Any]:
    """Return what becomes of one class of the law: `missing` kinds are not looked for, or kept."""
    missing = [kind for kind in each["kinds"] if kind not in policy.kinds or policy.operator(kind).operator == "keep"]
    return {
        "class": each["id"],
        "description": _told(each),
        "kinds": {kind: policy.operator(kind).operator for kind in each["kinds"] if kind not in missing},
        "missing": missing,
        "covered": bool(each["kinds"]) and not missing,
        "beyond": _told(each.get("beyond", {})),
    }


def _gaps(classes: list[dict[str, Any]]) -> Iterator[str]:
    for each in classes:
        if each["missing"]:
            yield _(
                "class {id} ({description}) is left uncovered: {kinds} stay in the text",
                id=each["class"],
                description=each["description"],
                kinds=", ".join(each["missing"]),
            )


def _doubts(policy: Policy, law: Mapping[str, Any]) -> Iterator[str]:
    used = {
        policy.operator(kind).operator
        for each in law.get("classes", ())
        for kind in each["kinds"]
        if kind in policy.kinds
    }
    for operator, doubt in law.get("doubts", {}).items():
        if operator in used:
            yield _("operator `{operator}`: {doubt}", operator=operator, doubt=_told(doubt))


def _warnings(policy: Policy, content: Mapping[str, Any]) -> Iterator[str]:
    for kind in sorted(set(content.get("kinds", {})) & set(content["policy"].get("off", ()))):
        yield _("`{kind}` is both `off` and under `[kinds]`; it is off", kind=kind)
    for kind, spec in policy.operators.items():
        if kind not in _WORKS_ON.get(spec.operator, (kind,)):
            yield _("`{operator}` does nothing for {kind}: it becomes a placeholder", operator=spec.operator, kind=kind)
    named = _BY_MODELS & {kind for kind in policy.operators if policy.operator(kind).operator != "keep"}
    if policy.mode == "structured-only" and (policy.law or named):
        yield _("the mode `structured-only` finds no names, places and organizations in running text")
    if any(policy.operator(kind).operator == "vault" for kind in policy.kinds):
        yield _(
            "the vault takes two people's key files, and its tokens are some 100 characters long: too long to train on"
        )
    if policy.min_score > _HIGH_SCORE:
        yield _("`min_score` above {score} leaves in the text what is found by weaker signs", score=_HIGH_SCORE)


def find(name_or_path: str | Path) -> Path:
    """Return the file of a policy. Raises `SettingsError` where there is none."""
    names = shipped()
    if str(name_or_path) in names:
        return _FOLDER / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise SettingsError(
        _(
            "no policy `{name}`: it is neither a file nor one of {names}; see `skerry policy list`",
            name=name_or_path,
            names=", ".join(f"`{name}`" for name in names),
        )
    )


def read(path: Path) -> dict[str, Any]:
    """Parse a policy file. Raises `SettingsError` for one that cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(_("cannot read the policy `{file}`: {error}", file=path, error=reason(error))) from error


def faults(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what keeps `content` from being a policy, each with the nearest right word."""
    about, kinds = content.get("policy", {}), content.get("kinds", {})
    for section in sorted(set(content) - {"policy", "kinds"}):
        yield unknown(_("section"), section, ("policy", "kinds"))
    if not isinstance(about, dict) or not isinstance(kinds, dict):
        yield _("`policy` and `kinds` are sections: write `[policy]`, `[kinds]`")
        return
    yield from _about_faults(about)
    known = [kind.name for kind in KINDS]
    for name, spec in kinds.items():
        if name not in known:
            yield _unknown_kind(name, known)
        yield from _operator_faults(name, spec)


def _about_faults(about: Mapping[str, Any]) -> Iterator[str]:
    for key in about:
        if key not in _KEYS:
            yield unknown(_("entry"), key, _KEYS)
    if not _NAME.fullmatch(str(about.get("name", ""))):
        yield _("`name` is missing, or no name: letters, digits, Han characters, `_`, `-` and `.`, at most 64")
    if about.get("mode", "balanced") not in get_args(Mode):
        yield unknown(_("mode"), about["mode"], get_args(Mode))
    score = about.get("min_score", 0.4)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        yield _("`min_score` must be a number from 0 to 1")
    for key in ("en", "zh", "source", "law"):
        if not isinstance(about.get(key, ""), str):
            yield _("`{key}` must be text, in quotes", key=key)
    law = about.get("law", "")
    if law and isinstance(law, str) and law not in laws():
        yield unknown(_("law"), law, laws())
    off = about.get("off", [])
    if not isinstance(off, list):
        yield _("`off` must be a list of kinds")
        off = []
    known = [kind.name for kind in KINDS]
    for name in off:
        if name not in known:
            yield _unknown_kind(name, known)
    yield from _operator_faults("default", about.get("default", "placeholder"))


def _operator_faults(kind: str, spec: Any) -> Iterator[str]:
    for fault in _spec_faults(spec):
        yield _("`{kind}`: {fault}", kind=kind, fault=fault)


def _spec_faults(spec: Any) -> Iterator[str]:
    options = dict(spec) if isinstance(spec, dict) else {"operator": spec}
    operator = options.pop("operator", None)
    if operator not in tuple(OPERATORS):
        yield unknown(_("operator"), operator, OPERATORS)
        return
    allowed = OPERATORS[operator]
    for name, value in options.items():
        if not allowed:
            yield _("`{operator}` has no options", operator=operator)
        elif name not in allowed:
            yield unknown(_("option"), name, allowed)
        elif type(value) not in (int, str) or value not in allowed[name]:  # 16.0 and True are in a range, too
            choices = _choices(allowed[name])
            yield _("`{option}` of `{operator}` must be {choices}", option=name, operator=operator, choices=choices)


def _choices(allowed: Container[Any]) -> str:
    if isinstance(allowed, range):
        return _("a whole number from {first} to {last}", first=allowed[0], last=allowed[-1])
    return ", ".join(f"`{each}`" for each in cast(tuple[str, ...], allowed))


def unknown(what: str, word: Any, known: Iterable[str]) -> str:
    """Say that `word` is not known, and which of `known` is nearest to it: as a whole, or to its beginning."""
    lower = str(word).lower()

    def likeness(name: str) -> float:
        parts = (name.lower(), name.lower()[: len(lower)])
        return max(difflib.SequenceMatcher(None, lower, part).ratio() for part in parts)

    near = max(known, key=likeness)
    return _("unknown {what} `{word}`; the nearest known one is `{near}`", what=what, word=word, near=near)


def _unknown_kind(name: Any, known: Iterable[str]) -> str:
    parent = next((form.parent for form in FORMS if form.name == name), None)
    if parent:
        return _("`{name}` is found as `{kind}`: name that one", name=name, kind=parent)
    return unknown(_("kind"), name, known)


def _build(content: Mapping[str, Any]) -> Policy:
    about = content["policy"]
    operators = {name: _spec(spec) for name, spec in content.get("kinds", {}).items()}
    kinds = {kind.name for kind in KINDS if kind.on} | set(operators)
    fields: dict[str, Any] = {
        "name": about["name"],
        "mode": about.get("mode", "balanced"),
        "kinds": frozenset(kinds - set(about.get("off", ()))),
        "operators": operators,
        "default": _spec(about.get("default", "placeholder")),
        "min_score": float(about.get("min_score", 0.4)),
        "law": about.get("law", ""),
    }
    words = {key: about.get(key, "") for key in ("en", "zh", "source")}
    return Policy(**fields, **words, digest=_digest(fields))


def _spec(spec: Any) -> OperatorSpec:
    options = dict(spec) if isinstance(spec, dict) else {"operator": spec}
    return OperatorSpec(options.pop("operator"), options)


def _digest(fields: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a policy does as canonical JSON; how it is described does not count."""

    def plain(value: Any) -> Any:
        return sorted(value) if isinstance(value, frozenset) else [value.operator, dict(value.options)]

    text = json.dumps(fields, default=plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
