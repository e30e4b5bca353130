"""The wheelhouse takes what is pinned and fits the target, and refuses the rest by name."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import tarfile
from pathlib import Path

import pytest

from bundle.errors import InputError, IntegrityError, MissingPartError, PolicyError
from bundle.profile import Profile, load
from bundle.wheels import (
    EMPTY,
    SQUATTED,
    added_wheels,
    check_tag,
    look_through,
    own_wheel,
    pins_of,
    platforms,
    read_lock,
    wheelhouse,
)
from tests.tiny_wheels import digest, make_wheel, pinned

PROFILE = Profile(name="tiny", python="3.11", platform="linux-x86_64", glibc="2.28")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the package index; pip is told of no other."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def lock(folder: Path, text: str) -> Path:
    path = folder / "lock.txt"
    path.write_text(text)
    return path


def house(folder: Path, text: str, profile: Profile = PROFILE) -> list[str]:
    """Bring the wheels of a lock and return their names."""
    target = folder / "wheels"
    target.mkdir(exist_ok=True)
    taken = wheelhouse(read_lock(lock(folder, text)), profile, target, folder / "cache")
    assert [digest(one.path) for one in taken] == [one.sha256 for one in taken]
    return [one.path.name for one in taken]


def test_pinned_wheels_are_brought_and_the_second_time_nothing_is_asked(index: Path, tmp_path: Path) -> None:
    text = pinned(make_wheel(index, "alpha"), make_wheel(index, "beta", "2.0", "cp311-cp311-manylinux_2_27_x86_64"))
    wanted = ["alpha-1.0-py3-none-any.whl", "beta-2.0-cp311-cp311-manylinux_2_27_x86_64.whl"]
    assert house(tmp_path, text) == wanted
    for path in index.iterdir():
        path.unlink()
    assert house(tmp_path, text) == wanted


def test_a_wheel_that_asks_for_a_newer_c_library_is_not_brought(index: Path, tmp_path: Path) -> None:
    new = make_wheel(index, "alpha", tag="cp311-cp311-manylinux_2_34_x86_64")
    with pytest.raises(MissingPartError, match=r"alpha==1\.0"):
        house(tmp_path, pinned(new))
    newer = dataclasses.replace(PROFILE, glibc="2.34")
    assert house(tmp_path, pinned(new), newer) == [new.name]


def test_what_was_brought_before_it_failed_is_kept(index: Path, tmp_path: Path) -> None:
    """One wheel is missing: the other is not asked for again once the missing one is there."""
    alpha, beta = make_wheel(index, "alpha"), make_wheel(index, "beta")
    text = pinned(alpha, beta)
    kept = beta.read_bytes()
    beta.unlink()
    with pytest.raises(MissingPartError, match=r"beta==1\.0"):
        house(tmp_path, text)
    alpha.unlink()
    beta.write_bytes(kept)
    assert house(tmp_path, text) == ["alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"]


def test_a_name_too_long_for_an_archive_keeps_one_of_its_tags(index: Path, tmp_path: Path) -> None:
    tag = "cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64"
    path = make_wheel(index, "a_name_of_some_length_for_the_test", tag=tag)
    assert len(path.name) > 100
    assert house(tmp_path, pinned(path)) == [
        "a_name_of_some_length_for_the_test-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    ]


def test_bytes_without_a_pinned_hash_are_not_taken(index: Path, tmp_path: Path) -> None:
    path = make_wheel(index, "alpha")
    text = pinned(path)
    make_wheel(index, "alpha", files={"alpha.py": b"import os\n"})
    with pytest.raises(MissingPartError, match=r"alpha==1\.0"):
        house(tmp_path, text)


def test_a_changed_file_in_the_cache_is_not_taken(index: Path, tmp_path: Path) -> None:
    text = pinned(make_wheel(index, "alpha"))
    house(tmp_path, text)
    (cached,) = (tmp_path / "cache").rglob("alpha*.whl")
    cached.write_bytes(cached.read_bytes() + b" ")
    assert house(tmp_path, text) == ["alpha-1.0-py3-none-any.whl"]
    (index / "alpha-1.0-py3-none-any.whl").unlink()
    cached.write_bytes(b"")
    with pytest.raises((MissingPartError, IntegrityError), match=r"alpha==1\.0"):
        house(tmp_path, text)


def test_a_package_without_a_wheel_is_built_from_its_pinned_source(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build backend lies in the source itself, so that nothing else is asked for."""
    source = index / "gamma-1.0.tar.gz"
    backend = (
        "import pathlib, zipfile\n"
        "def build_wheel(folder, *_settings):\n"
        "    path = pathlib.Path(folder) / 'gamma-1.0-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(path, 'w') as wheel:\n"
        "        wheel.writestr('gamma.py', 'x = 1')\n"
        "        wheel.writestr('gamma-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: gamma\\nVersion: 1.0\\n')\n"
        "        wheel.writestr('gamma-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr('gamma-1.0.dist-info/RECORD', '')\n"
        "    return path.name\n"
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "gamma"\nversion = "1.0"\n'
    about = "Metadata-Version: 2.1\nName: gamma\nVersion: 1.0\n"
    with tarfile.open(source, "w:gz") as archive:
        for name, body in (("pyproject.toml", project), ("backend.py", backend), ("PKG-INFO", about)):
            entry = tarfile.TarInfo(f"gamma-1.0/{name}")
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body.encode()))
    text = f"gamma==1.0 \\\n    --hash=sha256:{digest(source)}\n"
    target = tmp_path / "wheels"
    target.mkdir()
    (taken,) = wheelhouse(read_lock(lock(tmp_path, text)), PROFILE, target, tmp_path / "cache")
    assert taken.path.name == "gamma-1.0-py3-none-any.whl"
    assert taken.built_from == digest(source)
    assert taken.sha256 in taken.line() and digest(source) not in taken.line()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alpha==1.0\n", "has no hash"),
        ("alpha>=1.0 --hash=sha256:" + "0" * 64, "is no pin"),
        ("https://example.org/alpha.whl\n", "is no pin"),
        ("alpha==1.0 --hash=md5:" + "0" * 32, "is no pin"),
        ("--index-url https://example.org\n", "is no pin"),
    ],
)
def test_a_lock_line_without_a_hash_stops_the_build(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_lock(lock(tmp_path, text))


@pytest.mark.parametrize("name", sorted(SQUATTED | EMPTY | {"Zh_Core.Web-SM"}))
def test_a_squatted_name_stops_the_build(tmp_path: Path, name: str) -> None:
    with pytest.raises(PolicyError, match="refused"):
        read_lock(lock(tmp_path, f"{name}==999.9.9 --hash=sha256:{'0' * 64}"))


@pytest.mark.parametrize(
    "inside",
    [
        "appliance/__init__.py",
        "bundle.py",
        "labeling.cpython-311-x86_64-linux-gnu.so",
        "alpha-1.0.data/purelib/appliance/__init__.py",
        "alpha-1.0.data/platlib/bundle.py",
        "alpha-1.0.data/data/lib/python3.11/site-packages/labeling/x.py",
        "../outside.py",
        "/etc/passwd",
    ],
)
def test_a_module_under_our_name_or_a_path_outside_stops_the_build(tmp_path: Path, inside: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(inside)):
        look_through(make_wheel(tmp_path, "alpha", files={inside: b""}))


def test_every_wheel_is_looked_through(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"beta-1\.0"):
        house(tmp_path, pinned(make_wheel(index, "alpha"), make_wheel(index, "beta", files={"bundle.py": b""})))


def test_names_that_only_look_like_ours_pass(tmp_path: Path) -> None:
    files = {"alpha/bundle.py": b"", "appliances/__init__.py": b"", "alpha-1.0.data/scripts/bundle": b""}
    look_through(make_wheel(tmp_path, "alpha", files=files))


@pytest.mark.parametrize(
    ("file", "profile", "fits"),
    [
        ("a-1-py3-none-any.whl", {}, True),
        ("a-1-py2.py3-none-any.whl", {}, True),
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", {}, True),
        ("a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", {}, True),
        ("a-1-cp37-abi3-manylinux1_x86_64.whl", {}, True),
        ("a-1-3-py3-none-manylinux_2_17_x86_64.whl", {}, True),
        ("a-1-cp311-none-manylinux_2_17_x86_64.whl", {}, True),
        ("a-1-cp311-cp311-manylinux_2_17_aarch64.whl", {"platform": "linux-aarch64"}, True),
        ("a-1-cp311-cp311-manylinux_2_29_x86_64.whl", {}, False),
        ("a-1-cp311-cp311-manylinux_2_17_aarch64.whl", {}, False),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", {}, False),
        ("a-1-cp311-cp311-linux_x86_64.whl", {}, False),
        ("a-1-cp312-cp312-manylinux_2_17_x86_64.whl", {}, False),
        ("a-1-cp312-abi3-manylinux_2_17_x86_64.whl", {}, False),
        ("a-1-cp311-cp311-win_amd64.whl", {}, False),
        ("a-1-py2-none-any.whl", {}, False),
        ("a-1-cp311-cp311t-manylinux_2_17_x86_64.whl", {}, False),
        ("a-1-cp311-cp311-manylinux1_aarch64.whl", {"platform": "linux-aarch64"}, False),
    ],
)
def test_a_tag_fits_the_target_or_is_refused(file: str, profile: dict[str, str], fits: bool) -> None:
    target = dataclasses.replace(PROFILE, **profile)
    if fits:
        assert check_tag(file, target) == ("a", "1")
    else:
        with pytest.raises(InputError, match="wrong tag"):
            check_tag(file, target)


def test_every_tag_from_the_oldest_to_the_targets_c_library_is_named() -> None:
    tags = platforms(PROFILE)
    assert {f"manylinux_2_{minor}_x86_64" for minor in range(17, 29)} <= set(tags)
    assert "manylinux2014_x86_64" in tags and "manylinux_2_29_x86_64" not in tags


def test_the_cpu_build_of_torch_takes_the_place_of_the_cuda_one(tmp_path: Path) -> None:
    text = f"alpha==1.0 --hash=sha256:{'0' * 64}\ntorch==2.13.0 --hash=sha256:{'1' * 64}\n"
    lock(tmp_path, text)
    (tmp_path / "lock.constraints.txt").write_text("# why\ntorch==2.13.0+cpu\n")
    profile = dataclasses.replace(PROFILE, lock="lock.txt", file=tmp_path / "p.toml")
    assert [f"{pin.name}=={pin.version}" for pin in pins_of(profile)] == ["alpha==1.0", "torch==2.13.0+cpu"]


def test_another_variant_is_resolved_anew_and_the_rest_stays_as_locked(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock pins one build of the GPU libraries; the variant asks for another, and for what that one needs."""
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_OFFLINE", "1")
    cuda13 = make_wheel(index, "nvidia-runtime-cu13")
    make_wheel(index, "nvidia-runtime-cu12")
    torch = make_wheel(index, "torch", "2.13.0", metadata=("Requires-Dist: nvidia-runtime-cu13",))
    make_wheel(index, "torch", "2.13.0+cu126", metadata=("Requires-Dist: nvidia-runtime-cu12",))
    alpha = make_wheel(index, "alpha", metadata=("Requires-Dist: torch==2.13.0",))
    make_wheel(index, "alpha", "2.0")
    lock(tmp_path, pinned(alpha, torch, cuda13))
    profile = dataclasses.replace(PROFILE, lock="lock.txt", file=tmp_path / "p.toml", own=False)
    older = dataclasses.replace(profile, packages=("alpha", "torch==2.13.0+cu126"), repin=("torch", "nvidia-*"))
    names = [[f"{pin.name}=={pin.version}" for pin in pins_of(one)] for one in (profile, older)]
    assert names[0] == ["alpha==1.0", "nvidia-runtime-cu13==1.0", "torch==2.13.0"]
    assert names[1] == ["alpha==1.0", "nvidia-runtime-cu12==1.0", "torch==2.13.0+cu126"]


def test_every_shipped_lock_is_read() -> None:
    """No shipped lock has a line without a hash, nor a refused name."""
    for name in ("serve-cpu", "appliance-cpu", "appliance-cuda", "label-studio"):
        profile = load(name)
        assert len(read_lock(profile.lock_file(profile.lock))) > 40
        assert {pin.name for pin in read_lock(profile.lock_file(profile.tools))} == {"pip", "uv"}


def test_our_own_wheel_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = (own_wheel(tmp_path, 1_700_000_000) for _time in range(2))
    assert (first.name, first.sha256) == ("skerry", second.sha256)


def test_the_builder_adds_only_what_the_profile_names(tmp_path: Path) -> None:
    from bundle.profile import Addition

    profile = dataclasses.replace(PROFILE, additions=(Addition("tensorrt-libs==11.0", "its vendor"),))
    (tmp_path / "wheels").mkdir()
    make_wheel(tmp_path / "more", "tensorrt-libs", "11.0")
    assert [one.name for one in added_wheels(tmp_path / "more", profile, tmp_path / "wheels")] == ["tensorrt-libs"]
    make_wheel(tmp_path / "more", "stranger")
    with pytest.raises(PolicyError, match="stranger"):
        added_wheels(tmp_path / "more", profile, tmp_path / "wheels")
