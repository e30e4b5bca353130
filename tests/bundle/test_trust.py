"""Which signatures are demanded: by what is given, and by what an installation trusts since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle import sign
from bundle.delta import delta
from bundle.errors import IntegrityError, NotFoundError, PolicyError
from bundle.install import _unpacked, _verified
from bundle.receive import receive
from bundle.slots import Prefix
from bundle.trust import Keys, keep, trusted
from bundle.verify import verify
from tests.bundle.small import Machine, key_folder, make_payload
from tests.bundle.test_cli import bundle
from tests.sticks import make_key, make_stick


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return make_key(tmp_path / "second")


@pytest.fixture
def place(tmp_path: Path, key: Path, second: Path) -> Prefix:
    """A prefix whose site trusts two keys."""
    (tmp_path / "prefix").mkdir()
    kept = Prefix(tmp_path / "prefix")
    keep(kept, Keys(key / "vendor.pem", second / "vendor.pem"))
    return kept


def test_what_is_given_comes_before_what_is_kept(tmp_path: Path, place: Prefix, key: Path) -> None:
    assert trusted(place.path) == Keys(place.vendor_key, place.second_key)
    assert trusted(place.path, key / "vendor.pem") == Keys(key / "vendor.pem", place.second_key)
    third = make_key(tmp_path / "third") / "vendor.pem"
    assert trusted(place.path, second=third).second == third
    assert trusted(None, third) == Keys(third)
    with pytest.raises(NotFoundError, match="--vendor-key"):
        trusted(tmp_path / "nothing")


def test_a_site_that_trusts_two_keys_takes_no_stick_with_one(
    tmp_path: Path, place: Prefix, key: Path, second: Path
) -> None:
    one, both = make_stick(tmp_path / "one", key), make_stick(tmp_path / "both", key, second=second)
    for given in ({}, {"vendor_key": key / "vendor.pem"}):
        with pytest.raises(IntegrityError, match="second"):
            verify(one, prefix=place.path, **given)
        with pytest.raises(IntegrityError, match="second"):
            receive(one, tmp_path / "staging", prefix=place.path, **given)
        assert verify(both, prefix=place.path, **given)["not_checked"] == []
    receive(both, tmp_path / "staging", prefix=place.path)


def test_the_commands_ask_the_installation(tmp_path: Path, place: Prefix, key: Path, second: Path) -> None:
    one, both = make_stick(tmp_path / "one", key), make_stick(tmp_path / "both", key, second=second)
    at = ["--prefix", place.path]
    assert bundle("verify", both, *at).returncode == 0
    assert bundle("verify", one, *at, "--vendor-key", key / "vendor.pem").returncode == 6
    assert bundle("receive", one, "--staging", tmp_path / "staging", *at).returncode == 6
    assert bundle("verify", one, "--prefix", tmp_path / "empty").returncode == 4


def signed_twice(payload: Path, second: Path, sm2: Path | None = None) -> Path:
    sign.sign(payload / "MANIFEST", key_folder(), second, sm2)
    return payload


def test_an_installation_keeps_each_key_and_demands_it_from_then_on(tmp_path: Path, second: Path) -> None:
    machine, other = Machine(tmp_path), make_key(tmp_path / "other")
    sign.keygen(tmp_path / "sm2", sm2=True)
    first = signed_twice(make_payload(tmp_path / "1", "1.0", 1), second, tmp_path / "sm2")
    given = ["--second", second / "vendor.pem", "--sm2", tmp_path / "sm2" / "vendor.pem"]
    done = machine.install(first, *given)
    assert done.returncode == 0, done.stderr
    assert machine.does("status")["second"] == sign.on_paper(sign.fingerprint(second / "vendor.pem"))
    for number, signers in enumerate([(None, None), (second, None), (other, tmp_path / "sm2")]):
        refused = make_payload(tmp_path / f"refused{number}", "2.0", 2)
        sign.sign(refused / "MANIFEST", key_folder(), *signers)
        with pytest.raises(IntegrityError, match="is not signed by"):
            _verified(refused, Prefix(machine.prefix), trusted(machine.prefix), None)
    done = machine.install(signed_twice(make_payload(tmp_path / "2", "2.0", 2), second, tmp_path / "sm2"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == "2.0"


def test_a_list_with_two_signatures_over_a_payload_with_one_is_not_installed(
    tmp_path: Path, place: Prefix, key: Path, second: Path
) -> None:
    both = make_stick(tmp_path / "both", key, second=second)
    payload = tmp_path / "both" / "payload"
    (payload / "profile.json").write_text("{}")
    with pytest.raises(IntegrityError):
        _verified(payload, place, trusted(place.path), None)
    (payload / "MANIFEST.SG2").unlink()
    with pytest.raises(IntegrityError, match="second"):
        _verified(payload, place, trusted(place.path), None)
    verify(both, prefix=place.path)


def test_a_delta_bears_the_signatures_of_its_bundle(tmp_path: Path, place: Prefix, key: Path, second: Path) -> None:
    old = make_stick(tmp_path / "old", key)
    new = make_stick(tmp_path / "new", key, serial="8", version="0.3.0", second=second)
    with pytest.raises(PolicyError, match="`--second`"):
        delta(old, new, tmp_path / "refused", key)
    assert not (tmp_path / "refused").exists()
    delta(old, new, tmp_path / "delta", key, second=second)
    assert verify(tmp_path / "delta", prefix=place.path)["not_checked"] == []


def test_the_installers_own_staging_folder_is_in_nobodys_way(tmp_path: Path, key: Path) -> None:
    """An installation that was given up leaves half a copy; the next bundle is taken all the same."""
    place = Prefix(tmp_path / "prefix")
    given_up, wanted = make_stick(tmp_path / "old", key), make_stick(tmp_path / "new", key, serial="8")
    receive(given_up, place.staging, key / "vendor.pem")
    (place.staging / "PART003.BIN").unlink()
    payload, keys = _unpacked(wanted, place, Keys(key / "vendor.pem"))
    assert "# serial: 8\n" in (payload / "MANIFEST").read_text()
    assert keys == Keys(key / "vendor.pem")


def test_a_next_key_takes_the_place_of_the_old_one(tmp_path: Path, key: Path) -> None:
    """Signed by the old key, it comes with a stick; from then on the old key's sticks are a stranger's."""
    place = Prefix(tmp_path / "prefix")
    place.path.mkdir()
    keep(place, Keys(key / "vendor.pem"))
    sign.keygen(tmp_path / "next", signed_by=key)
    _payload, keys = _unpacked(make_stick(tmp_path / "new", tmp_path / "next", serial="8"), place, trusted(place.path))
    keep(place, keys)
    assert sign.fingerprint(place.vendor_key) == sign.fingerprint(tmp_path / "next" / "vendor.pem")
    with pytest.raises(IntegrityError, match="is signed by"):
        _unpacked(make_stick(tmp_path / "old", key, serial="9"), place, trusted(place.path))
