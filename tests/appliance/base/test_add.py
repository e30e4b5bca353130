"""Base models from disk: data comes in, code does not."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.base import verify
from appliance.base.add import add, add_wheels, extract
from appliance.base.catalogue import Entry, Wheel
from appliance.engine import on_torch
from appliance.errors import InputError, IntegrityError, NotFoundError, PolicyError
from tests.fakes import tiny_base


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder as one gets it from elsewhere: config, weights, tokenizer, and no `base.json`."""
    folder = tiny_base(tmp_path / "Source")
    (folder / "base.json").unlink()
    (folder / "README.md").write_text("a readme does no harm")
    return folder


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    return tmp_path / "bases"


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_folder_comes_in_with_what_it_needs_and_no_more(source: Path, bases: Path) -> None:
    folder = add(source, bases, name="ours", languages=["zh"], prefix="q: ", licence="MIT")
    about = verify(folder)
    assert folder == bases / "ours"
    assert sorted(about["files"]) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (about["languages"], about["prefix"], about["licence"], about["source"]) == (["zh"], "q: ", "MIT", "folder")
    encoder = on_torch.load_encoder(folder)
    assert about["parameters"] == sum(value.numel() for value in encoder.parameters())


def test_the_name_is_the_folder_s_unless_given(source: Path, bases: Path) -> None:
    assert add(source, bases) == bases / "source"


def test_a_folder_that_another_skerry_wrote_describes_itself(source: Path, bases: Path, tmp_path: Path) -> None:
    folder = add(source, bases, name="ours", languages=["zh"], prefix="q: ")
    again = verify(add(folder, tmp_path / "other"))
    assert (again["name"], again["languages"], again["prefix"]) == ("ours", ["zh"], "q: ")
    assert again["sha256"] == verify(folder)["sha256"]


def test_truncation_and_padding_are_taken_out_of_the_tokenizer(source: Path, bases: Path) -> None:
    edit(
        source / "tokenizer.json",
        truncation={"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
    )
    content = json.loads((add(source, bases) / "tokenizer.json").read_text())
    assert content["truncation"] is None and content["padding"] is None


@pytest.mark.parametrize(
    "file",
    [
        "pytorch_model.bin",
        "model.pt",
        "optimizer.pth",
        "x.pkl",
        "1_Pooling/a.pickle",
        "a.ckpt",
        "a.JOBLIB",
        "vectors.npy",
    ],
)
def test_pickle_is_refused_by_name_even_beside_good_weights(source: Path, bases: Path, file: str) -> None:
    (source / file).parent.mkdir(exist_ok=True)
    (source / file).write_bytes(b"\x80\x04.")
    with pytest.raises(PolicyError, match=f"{Path(file).name}.*pickle"):
        add(source, bases)
    assert not bases.exists()


@pytest.mark.parametrize("file", ["modeling_ours.py", "kernel.so", "sub/setup.sh"])
def test_code_is_refused(source: Path, bases: Path, file: str) -> None:
    (source / file).parent.mkdir(exist_ok=True)
    (source / file).write_text("x")
    with pytest.raises(PolicyError, match="is code"):
        add(source, bases)


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("config.json", {"auto_map": {"AutoModel": "modeling_ours.Ours"}}),
        ("config.json", {"trust_remote_code": True}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["a.B", None]}}),
    ],
)
def test_remote_code_is_refused(source: Path, bases: Path, file: str, fields: dict[str, object]) -> None:
    path = source / file
    if not path.exists():
        path.write_text("{}")
    edit(path, **fields)
    with pytest.raises(PolicyError, match="asks for code"):
        add(source, bases)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(source: Path, bases: Path, file: str) -> None:
    (source / file).unlink()
    with pytest.raises(InputError, match=f"lacks `{file}`"):
        add(source, bases)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda source: edit(source / "config.json", model_type="modernbert"), "`modernbert`"),
        (lambda source: edit(source / "config.json", is_decoder=True), "only BertModel encoders"),
        (lambda source: edit(source / "config.json", num_hidden_layers=3), "does not hold the weights"),
        (lambda source: edit(source / "config.json", vocab_size=7), "does not hold the weights"),
        (lambda source: (source / "config.json").write_text("["), "no JSON"),
        (lambda source: (source / "config.json").write_text("[" * 100_000), "no JSON"),
        (lambda source: (source / "tokenizer.json").write_text("{}"), "no `tokenizers` JSON"),
        (lambda source: edit(source / "tokenizer.json", post_processor=None), "special tokens"),
        (
            lambda source: (source / "model.safetensors").write_bytes(b"\x80\x04\x95" + b"\0" * 99),
            "no sound safetensors",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(
    source: Path, bases: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(source)
    with pytest.raises(InputError, match=reason):
        add(source, bases)
    assert not list(bases.glob("*"))


def test_a_changed_file_of_another_skerry_s_folder_is_refused(source: Path, bases: Path, tmp_path: Path) -> None:
    folder = add(source, bases)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(IntegrityError, match=r"model.safetensors"):
        add(folder, tmp_path / "other")


def test_a_folder_of_another_kind_is_taken_as_pinned_wheel_only(source: Path, bases: Path) -> None:
    folder = add(source, bases)
    edit(folder / "base.json", kind="ner")
    with pytest.raises(PolicyError, match="pinned wheels only"):
        add(folder, bases, name="other")


def test_nothing_there_and_no_pinned_wheel(tmp_path: Path, bases: Path) -> None:
    with pytest.raises(NotFoundError):
        add(tmp_path / "none", bases)
    (tmp_path / "x-1-py3-none-any.whl").write_bytes(b"PK")
    with pytest.raises(PolicyError, match="none of the pinned wheels"):
        add(tmp_path / "x-1-py3-none-any.whl", bases)


def wheel(path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def pinned(path: Path, take: dict[str, str], kind: str = "ner") -> Entry:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Entry("ours", "Ours", kind, "MIT", ("en",), 0, "", (Wheel("ours", "1", path.name, digest, take),))


def test_a_pinned_wheel_is_unpacked_by_name(tmp_path: Path, bases: Path) -> None:
    path = wheel(
        tmp_path / "ours-1.whl",
        ("ours/__init__.py", b"raise"),
        ("ours/_model/a/b.json", b"{}"),
        ("ours/_model/c", b"c"),
    )
    folder = add_wheels(pinned(path, {"ours/_model/": ""}), tmp_path, bases)
    assert sorted(verify(folder)["files"]) == ["a/b.json", "c"]
    assert verify(folder)["source"] == "ours==1"


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, bases: Path) -> None:
    path = wheel(tmp_path / "ours-1.whl", ("a", b"a"))
    item = pinned(path, {"a": "a"})
    wheel(path, ("a", b"b"))
    with pytest.raises(IntegrityError, match="SHA-256 differs"):
        add_wheels(item, tmp_path, bases)
    assert not list(bases.glob("*"))


def test_a_missing_fellow_wheel_is_named(tmp_path: Path, bases: Path) -> None:
    item = pinned(wheel(tmp_path / "ours-1.whl", ("a", b"a")), {"a": "a"})
    with pytest.raises(NotFoundError, match=r"ours-1.whl"):
        add_wheels(item, tmp_path / "elsewhere", bases)


def linked(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "members",
    [
        [("m/../../x", b"x")],
        [("m//etc/x", b"x")],
        [("m/a\\..\\x", b"x")],
        [(linked("m/x"), b"/etc/passwd")],
        [("m/x", b"1"), ("m/x", b"2")],
    ],
    ids=["parent", "absolute", "backslash", "symlink", "twice"],
)
def test_a_wheel_cannot_write_outside_or_twice(
    tmp_path: Path, members: list[tuple[zipfile.ZipInfo | str, bytes]]
) -> None:
    path = wheel(tmp_path / "w.whl", *members)
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    with pytest.raises(IntegrityError, match="must not be unpacked"):
        extract(path, {"m/": ""}, target)
    assert [item.name for item in target.parent.iterdir()] == ["target"]


def test_a_wheel_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"lacks `config.json`"):
        extract(wheel(tmp_path / "w.whl", ("a", b"a")), {"a": "a", "b": "config.json"}, tmp_path)
