"""`skerry-bundle build`, from a profile of tiny wheels to a stick that verifies: no network, real pip, real openssl."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle import manifest
from bundle.build import build
from bundle.errors import NotFoundError, PolicyError, UsageError
from bundle.request import request
from bundle.sign import keygen
from bundle.verify import verify
from tests.tiny_wheels import digest, make_wheel, pinned

PROFILE = """
name = "tiny"
python = "3.11"
platform = "linux-x86_64"
glibc = "2.28"
lock = "lock.txt"
tools = "tools.txt"
own = false
services = ["serve"]
stages = ["install-check"]
allow_unknown_advisories = true
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("key") / "vendor"
    keygen(folder)
    return folder


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile of three tiny wheels, whose index is a folder."""
    index = tmp_path / "index"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    wheels = [make_wheel(index, "alpha"), make_wheel(index, "beta", tag="cp311-cp311-manylinux_2_17_x86_64")]
    folder = tmp_path / "profile"
    folder.mkdir()
    (folder / "lock.txt").write_text(pinned(*wheels))
    (folder / "tools.txt").write_text(pinned(make_wheel(index, "uv")))
    (folder / "tiny.toml").write_text(PROFILE)
    return folder / "tiny.toml"


def built(profile: Path, key: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Build with a cache that the tests share: their wheels are the same bytes."""
    return build(str(profile), key, out, 7, cache=key.parent / "cache", payload=out.parent / "payload", **options)


def test_a_stick_is_built_and_verifies(profile: Path, key: Path, tmp_path: Path) -> None:
    """The payload holds what its lists say: requirements name each wheel by its hash, reports name each file."""
    (tmp_path / "out").mkdir()
    result = built(profile, key, tmp_path / "out" / "stick")
    assert verify(tmp_path / "out" / "stick", key / "vendor.pem")["ok"]
    payload = tmp_path / "out" / "payload"
    listing = manifest.parse((payload / "MANIFEST").read_text(), "MANIFEST")
    assert {**listing.files} == {
        path: one
        for path, one in manifest.files_below(payload).items()
        if not path.startswith("MANIFEST") or path == "MANIFEST.HTM"
    }
    assert (listing.header["serial"], listing.header["built"]) == ("7", "2023-11-14T22:13:20Z")
    wheels = {path.name: digest(path) for path in (payload / "wheels").iterdir()}
    assert set(re.findall(r"sha256:(\w+)", (payload / "requirements.txt").read_text())) == {
        one for name, one in wheels.items() if not name.startswith("uv-")
    }
    about = json.loads((payload / "profile.json").read_text())
    assert about["tools"] == {"uv": "wheels/uv-1.0-py3-none-any.whl"}
    assert about["schema"].isdigit() and about["installed_bytes"] > 0
    sbom = json.loads((payload / "reports" / "sbom.json").read_text())
    assert {one["hashes"][0]["content"] for one in sbom["components"]} == set(wheels.values())
    subject = json.loads((payload / "reports" / "provenance.json").read_text())["subject"]
    assert {one["name"]: one["digest"]["sha256"] for one in subject}.items() <= dict(listing.files).items()
    page = (tmp_path / "out" / "stick" / "MANIFEST.HTM").read_text()
    assert result["fingerprint"] in page and digest(payload / "MANIFEST") in page


def test_two_builds_at_two_places_are_the_same_bytes_and_a_later_one_is_not(
    profile: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place, moment in (("here", "1700000000"), ("far/away", "1700000000"), ("far/later", "1700000001")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        (tmp_path / place).mkdir(parents=True)
        cache = (tmp_path / place).parent / "cache"
        build(str(profile), key, tmp_path / place / "stick", 7, cache=cache)
        found.append(manifest.files_below(tmp_path / place / "stick"))
    assert found[0] == found[1]
    assert found[0]["PARTS"] != found[2]["PARTS"]


def test_the_builders_own_wheel_takes_the_place_of_the_pinned_one(profile: Path, key: Path, tmp_path: Path) -> None:
    addition = (
        '[[additions]]\nname = "beta"\nsource = "its vendor"\n\n[[additions]]\nname = "gamma"\nsource = "another"\n'
    )
    profile.write_text(PROFILE + addition)
    theirs = make_wheel(tmp_path / "more", "beta", "1.0+vendor")
    built(profile, key, tmp_path / "stick", add=tmp_path / "more")
    wanted = (tmp_path / "payload" / "requirements.txt").read_text()
    assert f"beta==1.0+vendor \\\n    --hash=sha256:{digest(theirs)}" in wanted and "beta==1.0 " not in wanted
    about = json.loads((tmp_path / "payload" / "profile.json").read_text())
    assert {one["name"]: one["carried"] for one in about["additions"]} == {"beta": True, "gamma": False}


def test_unknown_advisories_stop_the_build_before_anything_is_written(profile: Path, key: Path, tmp_path: Path) -> None:
    profile.write_text(PROFILE.replace("allow_unknown_advisories = true", ""))
    with pytest.raises(PolicyError, match="no advisory service answered"):
        built(profile, key, tmp_path / "stick")
    assert not (tmp_path / "stick").exists() and not (tmp_path / "payload").exists()


def test_what_cannot_begin_is_said_first(
    profile: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError, match="keygen"):
        built(profile, tmp_path, tmp_path / "stick")
    with pytest.raises(UsageError, match="count upwards"):
        build(str(profile), key, tmp_path / "stick", 0)
    with pytest.raises(PolicyError, match="exists"):
        built(profile, key, tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="yesterday"):
        built(profile, key, tmp_path / "stick")


def test_a_request_adds_what_was_asked_for(
    profile: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver looks where pip looks, and what it finds is pinned like the rest."""
    index = tmp_path / "index"
    make_wheel(index, "delta", "3.0", metadata=("License-Expression: MIT", "Requires-Dist: epsilon"))
    make_wheel(index, "epsilon")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_OFFLINE", "1")
    profile.write_text(PROFILE + 'packages = ["alpha", "beta"]\n')
    request(tmp_path / "wanted.json", ["delta==3.0"])
    built(profile, key, tmp_path / "stick", request=tmp_path / "wanted.json")
    names = re.findall(r"^(\S+)==", (tmp_path / "payload" / "requirements.txt").read_text(), re.MULTILINE)
    assert names == ["alpha", "beta", "delta", "epsilon"]


def test_the_verb_refuses_without_a_traceback(profile: Path, key: Path, tmp_path: Path) -> None:
    """A squatted name in a lock: exit code 5 and one sentence."""
    (profile.parent / "lock.txt").write_text(f"zh-core-web-sm==999.9.9 --hash=sha256:{'0' * 64}\n")
    command = [
        sys.executable,
        "-m",
        "bundle.cli",
        "build",
        "--profile",
        str(profile),
        "--key",
        str(key),
        "--serial",
        "1",
    ]
    done = subprocess.run([*command, "--out", str(tmp_path / "stick")], capture_output=True, text=True)
    assert done.returncode == 5
    assert (
        done.stderr.strip()
        == "skerry-bundle: `zh-core-web-sm` is refused: a stranger owns that name on the public index"
    )
