"""Turn vault tokens back into values, with two people's keys, a reason, and an event.

All tokens are opened before anything is written, and the event stands before a value is shown: an audit never knows less than a reader.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError, InputError, IntegrityError, PolicyError, SettingsError
from appliance.privacy import vault
from appliance.privacy.detect import Scrubber
from appliance.privacy.operators.value import normal
from appliance.privacy.policy import load
from appliance.privacy.scrub_file import delimiter_of, encoding_of, whole_file
from appliance.store import Store
from appliance.words import _

__all__ = ["reveal"]

_LONGEST_REASON = 200
_SHORT = 3  # letters and digits below which a value is part of a reason by chance,
_SHORT_HAN = 2  # of a value in Chinese characters: many names have two
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef]")


def reveal(
    store: Store, items: Sequence[str], reason: str, keys: Sequence[Path], out: Path | None = None
) -> dict[str, Any]:
    """Open the tokens given, or all in one file whose copy with the values goes to `out` (same format, readable by its owner only).

    Returns `{revealed, kinds, values: [{token, kind, value}]}` for tokens, `{revealed, kinds, out}` for a file. Raises `PolicyError` for keys that
    do not open every token, for one person's key alone and for a reason that holds personal data, `IntegrityError` for a token that was changed, `InputError`
    for a file without tokens. Every refusal leaves an event `reveal refused` with why.
    """
    with _watched(store, "items"):
        file, tokens = _tokens(items, out)
    with _watched(store, "reason", tokens):
        why = _reason(reason)
    with _watched(store, "key files", tokens):
        both = vault.shares(keys, store.home)
    with _watched(store, "tokens do not open", tokens):
        opened = vault.open_all(tokens, both)
    with _watched(store, "value in the reason", tokens):
        _require_apart(why, opened.values())
    kinds = dict(Counter(vault.read(token)[0] for token in opened).most_common())
    store.event("reveal", _datasets(store, tokens), reason=why, tokens=len(opened), kinds=kinds)
    told: dict[str, Any] = {"revealed": len(opened), "kinds": kinds}
    if file is None or out is None:
        return told | {
            "values": [
                {"token": token, "kind": vault.read(token)[0], "value": value} for token, value in opened.items()
            ]
        }
    _write(file, out, opened)
    return told | {"out": str(out)}


@contextmanager
def _watched(store: Store, why: str, tokens: Sequence[str] = ()) -> Iterator[None]:
    """Write an event when the block refuses: an attempt is known, too, and why it failed; what was asked for and the reason given are not told."""
    try:
        yield
    except ApplianceError:
        store.event("reveal refused", _datasets(store, tokens), tokens=len(tokens), why=why)
        raise


def _require_apart(why: str, values: Iterable[str]) -> None:
    if any(_in(value, why) for value in values):
        raise PolicyError(_("the reason holds one of the values; say it without"))


def _reason(reason: str) -> str:
    """Return the reason as one line. Raises `SettingsError` for none or one too long, `PolicyError` for one with personal data in it."""
    line = " ".join(reason.split())
    if not 1 <= len(line) <= _LONGEST_REASON:
        raise SettingsError(_("`--reason` takes 1 to {most} characters", most=_LONGEST_REASON))
    if Scrubber.from_settings(policy=load("structured-only")).find([line])[0]:
        raise PolicyError(_("the reason holds personal data; it goes into the event chain: say it without"))
    return line


def _tokens(items: Sequence[str], out: Path | None) -> tuple[Path | None, list[str]]:
    files = [item for item in items if not item.startswith("<VAULT_")]
    if not files:
        if out is not None:
            raise SettingsError(_("`--out` goes with a file; tokens given by themselves are printed"))
        return None, list(items)
    if len(items) > 1 or out is None:
        raise SettingsError(_("give one file and `--out FILE` for its copy with the values, or tokens alone"))
    path = Path(files[0])
    encoding = encoding_of(path)
    if out.exists() and out.samefile(path):
        raise SettingsError(_("`--out` names the file that is read; name another"))
    found = vault.TOKEN.findall(path.read_bytes().decode(encoding))
    tokens = list(dict.fromkeys(f"<VAULT_{kind}_{body}>" for kind, body in found))
    if not tokens:
        raise InputError(_("`{file}` holds no vault tokens", file=path))
    return path, tokens


def _datasets(store: Store, tokens: Sequence[str]) -> list[str]:
    """Return the ids of the data sets whose values the tokens seal, as far as this project has them."""
    prefixes = set()
    for token in tokens:
        try:
            prefixes.add(vault.dataset_of(token).hex())
        except IntegrityError:  # changed: it names nothing that counts
            continue
    return [item.id for item in store.artifacts("dataset", erased=True) if item.id[: 2 * vault.SET_BYTES] in prefixes]


def _in(value: str, reason: str) -> bool:
    """Tell whether the reason has the value, in any case, width or separators: anywhere in it, or a shorter one as a word of its own."""
    bare = normal(value)
    least = _SHORT_HAN if _HAN.search(bare) else _SHORT
    return (len(bare) >= least and bare in normal(reason)) or bare in {*map(normal, re.split(r"[\W_]+", reason))} - {""}


def _write(path: Path, out: Path, opened: Mapping[str, str]) -> None:
    """Write the copy of a file with its values, in the file's own format: a quote in a value must not end a cell or a string."""
    encoding = encoding_of(path)
    text = path.read_bytes().decode(encoding)

    def filled(piece: str, as_written: Callable[[str], str] = str) -> str:
        return vault.TOKEN.sub(lambda token: as_written(opened[token[0]]), piece)

    with whole_file(out, encoding) as target:
        if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
            target.write(filled(text, lambda value: json.dumps(value, ensure_ascii=False)[1:-1]))
        elif path.suffix.lower() in (".csv", ".tsv"):
            csv.field_size_limit(sys.maxsize)
            delimiter = delimiter_of(path, re.split("[\r\n]", text, maxsplit=1)[0])
            lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            csv.writer(target, delimiter=delimiter).writerows([filled(cell) for cell in line] for line in lines)
        else:
            target.write(filled(text))
