"""A pickled BERT becomes a safe base model; a hostile pickle does nothing."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.base.add import add
from appliance.engine import on_torch
from bundle import convert as module
from bundle.convert import convert
from bundle.errors import InputError, IntegrityError, NotFoundError, PolicyError
from tests.fakes import HAN, SPECIAL

if not shutil.which("unshare"):
    pytest.skip("`unshare` is not installed: apt-get install util-linux", allow_module_level=True)

TEXTS = [
    "我想预约下周二上午的门诊", "Résumé of the naïve café, DON'T shout!", "混合 text 与English单词", "unaffable", "",
    "[MASK] 与 [SEP] 在文中", "a" * 200, "全角ＡＢＣ，標點。", "tab\tand\u3000space\u200bzero", "１２３ 123.45", "😀 emoji",
]  # fmt: skip


def vocabulary() -> list[str]:
    letters = [chr(code) for code in range(33, 127)]
    return [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *HAN, *"，。！？", "unaff", "##able", "é"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a Chinese BERT usually is: old names, a head and a pooler in the pickle, a `vocab.txt`."""
    on_torch.import_torch()
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("bert")
    config = BertConfig(
        vocab_size=len(vocabulary()), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    torch.manual_seed(0)
    state = BertForMaskedLM(config).state_dict()
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in state.items()
    }
    torch.save(old, folder / "pytorch_model.bin")
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", "utf-8")
    (folder / "config.json").write_text(json.dumps(config.to_dict() | {"model_type": "bert"}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "model_max_length": 512}))
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "bert"))


def test_the_result_is_a_base_model_with_the_same_weights(folder: Path, tmp_path: Path) -> None:
    import torch

    result = convert(folder, tmp_path / "out")
    assert result["files"] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert result["sandbox"] is True
    base = add(tmp_path / "out", tmp_path / "bases", "chinese-bert", ["zh"])
    encoder = on_torch.load_encoder(base)
    source = torch.load(folder / "pytorch_model.bin", weights_only=True)
    for name, value in encoder.state_dict().items():
        if "position_ids" not in name:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            assert torch.equal(value, source[f"bert.{old}"]), name


@pytest.mark.parametrize("options", [None, {"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False}])
def test_the_tokenizer_gives_the_ids_of_transformers(copy: Path, options: dict[str, bool] | None) -> None:
    from tokenizers import Tokenizer
    from transformers import BertTokenizer

    (copy / "tokenizer_config.json").unlink()
    if options:
        (copy / "tokenizer_config.json").write_text(json.dumps(options))
    module._write_tokenizer(copy, copy / "tokenizer.out")
    ours, theirs = Tokenizer.from_file(str(copy / "tokenizer.out")), BertTokenizer.from_pretrained(copy)
    for text in TEXTS:
        assert ours.encode(text).ids == theirs(text)["input_ids"], text


class Runs:
    """A pickle that runs a command when it is read."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.flag}",)


def plain_pickle(flag: Path, file: Path) -> None:
    file.write_bytes(pickle.dumps({"bert.embeddings.word_embeddings.weight": Runs(flag)}, 2))


def protocol_0(flag: Path, file: Path) -> None:
    file.write_bytes(pickle.dumps(Runs(flag), 0))


def in_torchs_zip(flag: Path, file: Path) -> None:
    import torch

    torch.save({"weights": torch.zeros(2), "more": Runs(flag)}, file)


def in_torchs_old_form(flag: Path, file: Path) -> None:
    import torch

    torch.save({"weights": torch.zeros(2), "more": Runs(flag)}, file, _use_new_zipfile_serialization=False)


def test_a_hostile_pickle_is_refused_and_nothing_is_left(copy: Path, tmp_path: Path) -> None:
    in_torchs_zip(tmp_path / "ran", copy / "pytorch_model.bin")
    with pytest.raises(IntegrityError, match="was refused: UnpicklingError"):
        convert(copy, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bert"]


@pytest.mark.parametrize("plant", [plain_pickle, protocol_0, in_torchs_zip, in_torchs_old_form])
def test_no_form_of_a_hostile_pickle_runs(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    plant(tmp_path / "ran", tmp_path / "file")
    with pytest.raises(pickle.UnpicklingError):
        module._write_weights(tmp_path / "file", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_hostile_pickles_would_run_where_pickle_reads_them(tmp_path: Path) -> None:
    plain_pickle(tmp_path / "ran", tmp_path / "file")
    pickle.loads((tmp_path / "file").read_bytes())
    assert (tmp_path / "ran").exists()


def test_a_pickle_of_other_things_than_tensors_is_refused(tmp_path: Path) -> None:
    import torch

    spread = {"embeddings.word_embeddings.weight": torch.zeros(1).expand(10**9)}
    for content, said in (
        ({"epoch": 3}, "no table of tensors"),
        ({"x": torch.zeros(2)}, "no weights of a BERT"),
        (spread, "larger than their file"),
    ):
        torch.save(content, tmp_path / "file")
        with pytest.raises(ValueError, match=said):
            module._write_weights(tmp_path / "file", tmp_path / "out")


def test_the_child_has_no_network(folder: Path) -> None:
    """The namespace that the child runs in lists no interface but loopback, which is down."""
    code = "import socket; print([name for _number, name in socket.if_nameindex()]); socket.create_connection(('192.0.2.9', 9), 1)"
    done = subprocess.run([*module._namespace(), sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "unreachable" in done.stderr
    assert "eth0" not in done.stdout


def test_without_a_namespace_it_refuses_until_no_sandbox_is_typed(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no `unshare` there
    with pytest.raises(PolicyError, match="--no-sandbox"):
        convert(copy, tmp_path / "out")
    assert convert(copy, tmp_path / "out", no_sandbox=True)["sandbox"] is False


def test_what_is_no_bert_is_refused_before_anything_is_read(copy: Path, tmp_path: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    for change, error in (
        ({"model_type": "llama"}, InputError),
        ({"auto_map": {"AutoModel": "model.Model"}}, PolicyError),
    ):
        (copy / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(error):
            convert(copy, tmp_path / "out")
    (copy / "vocab.txt").unlink()
    with pytest.raises(NotFoundError, match=r"lacks `vocab.txt`"):
        convert(copy, tmp_path / "out")


def test_a_folder_that_is_there_is_not_written_over(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is there already"):
        convert(folder, tmp_path)
