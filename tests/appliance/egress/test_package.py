"""A package is a plain tar: the same content gives the same bytes, and nothing but plain files comes out of one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from appliance.egress.package import pack, require_clean, unpack
from appliance.errors import InputError, PolicyError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files."""
    folder = tmp_path / "triage-1"
    folder.mkdir()
    (folder / "model.json").write_text('{"labels": ["card"]}')
    (folder / "model.onnx").write_bytes(bytes(range(256)) * 40)
    return folder


def test_what_went_in_comes_out(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "a.tar")
    unpack(tmp_path / "a.tar", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_no_owner_and_no_time_travel(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "a.tar")
    (folder / "model.json").touch()
    pack(folder, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert {(member.uid, member.uname, member.mtime) for member in archive} == {(0, "", 0)}


def tar(path: Path, *members: tuple[str, bytes, bytes]) -> Path:
    """Write a tar of (name, type, content)."""
    with tarfile.open(path, "w") as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "members",
    [
        [("a/..", tarfile.REGTYPE, b"x")],
        [("a/.hidden", tarfile.REGTYPE, b"x")],
        [("a/one", tarfile.SYMTYPE, b"")],
        [("a/one", tarfile.LNKTYPE, b"")],
        [("a", tarfile.DIRTYPE, b"")],
        [("a/one", tarfile.FIFOTYPE, b"")],
        [("a/one", tarfile.REGTYPE, b"x"), ("b/one", tarfile.REGTYPE, b"y")],
        [(f"a/{number}", tarfile.REGTYPE, b"") for number in range(65)],
    ],
)
def test_anything_else_in_a_tar_is_refused(tmp_path: Path, members: list[tuple[str, bytes, bytes]]) -> None:
    with pytest.raises(InputError, match="no package"):
        unpack(tar(tmp_path / "bad.tar", *members), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_name_that_points_outside_is_only_a_name(tmp_path: Path) -> None:
    """Folders in a member's name are dropped, so that nothing lands beside the folder."""
    unpack(tar(tmp_path / "odd.tar", ("../../etc/evil", tarfile.REGTYPE, b"x")), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["evil"]


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, b"\x1f\x8b" + b"0" * 600])
def test_what_is_no_tar_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.tar").write_bytes(content)
    with pytest.raises(InputError, match="no package"):
        unpack(tmp_path / "bad.tar", tmp_path / "out")


def test_a_cut_package_is_told(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "a.tar")
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content[:6000])
    with pytest.raises(InputError, match="no package"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


IDENTITY = "0123456789ab" + "c" * 52


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("made on /var/lib/skerry here", "the path"),
        ("made on buildbox-7", "the machine"),
        (f"tickets@{IDENTITY[:12]}", "an id"),
        (IDENTITY, "an id"),
        ("subject " + "d" * 64, "an id"),
        ("made on buildbox-70", None),
        ("ab" * 32, None),
        ("own " + "e" * 64, None),
    ],
)
def test_the_second_look_finds_what_must_not_leave(folder: Path, said: str, refused: str | None) -> None:
    (folder / "card.md").write_text(said)
    names = {"the path": "/var/lib/skerry", "the machine": "buildbox-7"}
    ids, own = [IDENTITY, "d" * 64, "e" * 64], ["e" * 64]
    if refused is None:
        require_clean(folder, names, ids, own)
    else:
        with pytest.raises(PolicyError, match=rf"`card.md` would hold {refused}"):
            require_clean(folder, names, ids, own)


def test_a_short_name_may_stand_among_numbers_by_chance(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"\x00vm\x00")
    require_clean(folder, {"the machine": "vm"}, [], [])
    (folder / "model.json").write_text('"vm"')
    with pytest.raises(PolicyError):
        require_clean(folder, {"the machine": "vm"}, [], [])


def test_a_machine_may_be_called_like_a_word_of_the_vocabulary(folder: Path) -> None:
    """Else nothing could leave a machine called `apollo`: that word is in the public list of every base model."""
    (folder / "tokenizer.json").write_text('{"apollo": 9558, "gpu-7": 9559}')
    require_clean(folder, {"the machine": "apollo"}, [], [])
    with pytest.raises(PolicyError, match=r"`tokenizer.json` would hold the machine"):
        require_clean(folder, {"the machine": "gpu-7"}, [], [])


@pytest.mark.parametrize("name", ["model", "base", "data", "Card", "licence"])
def test_a_machine_may_bear_the_name_of_a_word_that_every_package_says(folder: Path, name: str) -> None:
    (folder / "card.json").write_text('{"model": "triage", "base": {"name": "minilm", "licence": "MIT"}}')
    (folder / "data.json").write_text('{"rows": 10, "labels": {"apollo": 10}}')
    (folder / "data.md").write_text("# Data card of the model and its base, with a licence")
    require_clean(folder, {"the machine": name}, [], [])
    with pytest.raises(PolicyError):  # a label is no word of ours
        require_clean(folder, {"the machine": "apollo"}, [], [])
