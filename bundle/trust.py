"""Which signatures a bundle must bear: the one place that decides it, for `verify`, `receive` and `install`, a delta too.

The vendor's always; a second vendor's and SM2's where a key for them is given, and from the first installation that was
given one on: the keys are kept in the prefix, and no later bundle is taken without their signatures. A key that is given
takes the place of the kept one of its kind, as the person at the keyboard decides whom the site trusts; to trust one no
longer, remove its file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bundle.errors import NotFoundError
from bundle.slots import Prefix, write_durably
from bundle.words import _


@dataclass(frozen=True)
class Keys:
    """The public keys whose signatures are demanded."""

    vendor: Path
    second: Path | None = None
    sm2: Path | None = None


def trusted(
    prefix: Path | None, vendor_key: Path | None = None, second: Path | None = None, sm2: Path | None = None
) -> Keys:
    """Return the keys that must have signed: those that are given, and those that the installation in `prefix` trusts.

    Raises `NotFoundError` where no vendor key is known.
    """
    kept = [path if path.is_file() else None for path in _kept(Prefix(prefix))] if prefix else [None, None, None]
    vendor = vendor_key or kept[0]
    if not vendor:
        raise NotFoundError(
            _(
                "no vendor key is known here; compare the fingerprint of one with paper and give it by `--vendor-key FILE`"
            )
        )
    return Keys(vendor, second or kept[1], sm2 or kept[2])


def keep(place: Prefix, keys: Keys) -> None:
    """Keep the keys in the prefix, for later bundles."""
    for path, key in zip(_kept(place), (keys.vendor, keys.second, keys.sm2)):
        if key and key != path:
            write_durably(path, key.read_bytes(), 0o644)


def _kept(place: Prefix) -> tuple[Path, Path, Path]:
    return place.vendor_key, place.second_key, place.sm2_key
