"""A delta carries the files of a new bundle whose digests its base does not have, and the new `MANIFEST` as it is.

`bundle.verify.unpack` therefore rebuilds the payload of the full bundle byte for byte, with the same signatures. The
signed `PARTS` names the base by the SHA-256 of its `MANIFEST`, and any other base is refused.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bundle import sign
from bundle.errors import PolicyError
from bundle.manifest import MANIFEST, RUNTIME, SECOND_SIGNATURE, SM2_SIGNATURE, Listing, sha256
from bundle.media import SAME_IN_BOTH, put_on_stick
from bundle.receive import receive
from bundle.verify import read_manifest, read_parts, unpack
from bundle.words import _

Json = dict[str, Any]


def delta(
    base: Path, new: Path, out: Path, key: Path, parity: int = 2, second: Path | None = None, sm2: Path | None = None
) -> Json:
    """Write to the new folder `out` what turns the bundle `base` into the bundle `new`, signed with the key folder `key`.

    Both are bundles as `build` wrote them, signed by the same key. Raises `PolicyError` for another product, platform or
    profile, or a serial that does not rise.
    """
    vendor = key / sign.PUBLIC_KEY
    others = [folder and folder / sign.PUBLIC_KEY for folder in (second, sm2)]
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent) as held:
        folder = Path(held)
        old, full = _payload(base, folder / "base", vendor), _payload(new, folder / "new", vendor, *others)
        parts, _key = read_parts(folder / "new", vendor, *others)
        _require_same_signatures(parts, second, sm2)
        _check_order(read_manifest(old), read_manifest(full))
        carried = _keep_new(full, read_manifest(old))
        if _same_runtime(folder):
            (folder / "new" / RUNTIME).unlink()
        header = {name: parts.header[name] for name in SAME_IN_BOTH}
        header["base"] = sha256(old / MANIFEST)
        report = put_on_stick(full, folder / "new", out, key, header, parts.header["medium"], parity, second, sm2)
    return {**report, "base": header["base"], "carried": carried}


def _payload(bundle: Path, copy: Path, vendor: Path, second: Path | None = None, sm2: Path | None = None) -> Path:
    receive(bundle, copy, vendor, second, sm2)
    return unpack(copy, vendor, None, second, sm2)


def _require_same_signatures(parts: Listing, second: Path | None, sm2: Path | None) -> None:
    # a site that trusts a second key takes no stick without its signature
    for suffix, option, given in ((SECOND_SIGNATURE, "--second", second), (SM2_SIGNATURE, "--sm2", sm2)):
        if suffix in parts.header["signatures"].split() and not given:
            raise PolicyError(
                _(
                    "the new bundle has a signature `{suffix}`; name its key folder with `{option}`",
                    suffix=suffix,
                    option=option,
                )
            )


def _check_order(old: Listing, new: Listing) -> None:
    for name in ("product", "platform", "profile"):
        if old.header[name] != new.header[name]:
            raise PolicyError(
                _(
                    "the base's {name} is `{old}`, the new one's `{new}`",
                    name=name,
                    old=old.header[name],
                    new=new.header[name],
                )
            )
    if int(new.header["serial"]) <= int(old.header["serial"]):
        raise PolicyError(
            _("serial {new} is not above the base's {old}", new=new.header["serial"], old=old.header["serial"])
        )


def _keep_new(payload: Path, old: Listing) -> list[str]:
    """Remove from `payload` what the base has, and return what is left of its list."""
    known, carried = set(old.files.values()), []
    for path, digest in read_manifest(payload).files.items():
        if digest in known:
            (payload / path).unlink()
        else:
            carried.append(path)
    return carried


def _same_runtime(folder: Path) -> bool:
    runtimes = [folder / name / RUNTIME for name in ("base", "new")]
    return all(path.is_file() for path in runtimes) and sha256(runtimes[0]) == sha256(runtimes[1])
