"""A delta carries what is new, rebuilds the full payload, and fits one base only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.delta import delta
from bundle.errors import IntegrityError, NotFoundError, PolicyError
from bundle.manifest import files_below
from bundle.receive import receive
from bundle.verify import unpack, verify
from tests.sticks import make_key, make_stick


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # names and bytes only here
    return make_key(tmp_path / "key")


def test_a_delta_rebuilds_the_full_payload_byte_for_byte(key: Path, tmp_path: Path) -> None:
    public = key / "vendor.pem"
    base = make_stick(tmp_path / "base", key)
    new = make_stick(tmp_path / "new", key, version="0.3.0", serial="8")
    made = delta(base, new, tmp_path / "delta", key)
    assert made["carried"] == ["wheels/skerry-0-py3-none-any.whl"]
    assert verify(tmp_path / "delta", public)["base"] == made["base"]
    receive(tmp_path / "delta", tmp_path / "staging", public)
    rebuilt = unpack(tmp_path / "staging", public, base=unpack(base, public))
    assert files_below(rebuilt) == files_below(tmp_path / "new" / "payload")


def test_another_base_and_no_base_are_refused(key: Path, tmp_path: Path) -> None:
    public = key / "vendor.pem"
    base = make_stick(tmp_path / "base", key)
    new = make_stick(tmp_path / "new", key, version="0.3.0", serial="8")
    delta(base, new, tmp_path / "delta", key)
    with pytest.raises(NotFoundError, match="this is a delta"):
        unpack(tmp_path / "delta", public)
    with pytest.raises(PolicyError, match="made for another base"):
        unpack(tmp_path / "delta", public, base=unpack(new, public))
    assert not list(tmp_path.glob("delta-*"))


def test_a_spoilt_base_is_found_out(key: Path, tmp_path: Path) -> None:
    public = key / "vendor.pem"
    base = make_stick(tmp_path / "base", key)
    delta(base, make_stick(tmp_path / "new", key, version="0.3.0", serial="8"), tmp_path / "delta", key)
    payload = unpack(base, public)
    (payload / "models" / "minilm" / "weights.bin").write_bytes(b"rotten")
    with pytest.raises(IntegrityError, match=r"`models/minilm/weights\.bin` was changed"):
        unpack(tmp_path / "delta", public, base=payload)
    (payload / "requirements.txt").unlink()
    with pytest.raises(IntegrityError, match=r"`requirements\.txt` is missing"):
        unpack(tmp_path / "delta", public, base=payload)


def test_an_application_change_costs_little(key: Path, tmp_path: Path) -> None:
    """2 MB of models and wheels of others stay at home: the delta has under 3 % of the full bundle."""
    kept = {"profile.json": b"{}", "wheels/torch.whl": os.urandom(1_500_000), "models/a/weights": os.urandom(500_000)}
    base = make_stick(tmp_path / "base", key, files={**kept, "wheels/skerry.whl": os.urandom(9000)}, part_bytes=None)
    new = make_stick(
        tmp_path / "new", key, files={**kept, "wheels/skerry.whl": os.urandom(9000)}, part_bytes=None, serial="8"
    )
    made = delta(base, new, tmp_path / "delta", key, parity=1)
    full = sum(path.stat().st_size for path in new.rglob("*") if path.is_file())
    assert made["bytes"] < 0.03 * full + 2 * sum(
        len(path.read_bytes()) for path in (tmp_path / "new" / "tools").iterdir()
    )


def test_a_delta_goes_forward_within_one_profile(key: Path, tmp_path: Path) -> None:
    base = make_stick(tmp_path / "base", key, serial="8")
    with pytest.raises(PolicyError, match="serial 7 is not above the base's 8"):
        delta(base, make_stick(tmp_path / "older", key), tmp_path / "delta", key)
    other = make_stick(tmp_path / "other", key, serial="9", profile="appliance-cpu")
    with pytest.raises(PolicyError, match="the base's profile is `serve-cpu`"):
        delta(base, other, tmp_path / "delta", key)
    assert not (tmp_path / "delta").exists()
