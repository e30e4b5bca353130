"""A signed model comes in on a machine without torch and answers as at home; anything else stays outside."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance import engine, signature
from appliance.errors import ApplianceError, InputError, IntegrityError, PolicyError
from appliance.export.serve_only import serve_only
from appliance.load import load
from appliance.release.registry import promote
from appliance.store import Store
from tests.tiny_ngrams import add_ngrams
from tests.tiny_onnx import add_model, text

# The command line of a serving box: whoever imports torch, transformers, spaCy or pyarrow there dies.
SERVING_BOX = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "spacy", "pyarrow", "onnx", "sklearn"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from appliance.cli import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed model folder, made in another home with another key folder."""
    monkeypatch.setenv("SKERRY_STORE__KEY_FOLDER", str(tmp_path / "sender-keys"))
    store = Store.open(tmp_path / "sender")
    serve_only(store, add_model(store), tmp_path / "stick")
    monkeypatch.setenv("SKERRY_STORE__KEY_FOLDER", str(tmp_path / "keys"))
    return tmp_path / "stick"


@pytest.fixture
def signer(folder: Path, tmp_path: Path) -> str:
    """The fingerprint that was told by another way."""
    return signature.known_fingerprint(tmp_path / "sender-keys") or ""


def sign_again(folder: Path, tmp_path: Path) -> None:
    """Let the sender sign what now lies in the folder: a signature makes no pickle harmless."""
    for name in (signature.MANIFEST, signature.SIGNATURE, signature.SIGNER):
        (folder / name).unlink()
    signature.sign_folder(folder, tmp_path / "sender-keys", {"format": "skerry-model"})


def test_it_answers_to_the_bit_on_a_machine_without_torch(folder: Path, signer: str, tmp_path: Path) -> None:
    def skerry(*arguments: str) -> dict[str, object]:
        command = [sys.executable, "-c", SERVING_BOX, *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        assert done.returncode == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    sent = Store.open(tmp_path / "sender").model("triage")
    assert skerry("load", str(folder), "--signer", signer)["model"] == sent.reference
    assert skerry("promote", "triage")["version"] == sent.id[:12]
    texts = [text(words, seed) for seed in range(4) for words in (1, 7, 60)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in texts))
    skerry("predict", "triage", str(tmp_path / "texts.jsonl"), "--out", str(tmp_path / "answers.jsonl"))
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    at_home = engine.load(sent.folder).predict(texts)
    assert [(row["label"], row["score"]) for row in answers] == [(one.label, one.score) for one in at_home]


def test_an_n_gram_model_comes_in_and_goes_live_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are safetensors; a torch model's are refused."""
    monkeypatch.setenv("SKERRY_STORE__KEY_FOLDER", str(tmp_path / "sender-keys"))
    sender = Store.open(tmp_path / "sender")
    sent = add_ngrams(sender)
    serve_only(sender, sent, tmp_path / "stick")
    fingerprint = signature.known_fingerprint(tmp_path / "sender-keys") or ""
    store = Store.open(tmp_path / "home")
    assert load(store, tmp_path / "stick", fingerprint)["model"] == sent.reference
    arrived = store.model("triage")
    promote(store, arrived, "triage")
    assert np.array_equal(engine.load(arrived.folder).logits(["a card"]), engine.load(sent.folder).logits(["a card"]))
    plan = tmp_path / "stick" / "model.json"
    plan.write_text(plan.read_text().replace("ngrams", "torch"))
    sign_again(tmp_path / "stick", tmp_path)
    with pytest.raises(PolicyError, match="torch"):
        load(store, tmp_path / "stick", fingerprint)


def test_the_loaded_model_is_the_same_artifact_with_its_card_beside(folder: Path, signer: str, tmp_path: Path) -> None:
    store = Store.open()
    result = load(store, folder, signer, "renamed")
    model = store.model("renamed")
    sent = Store.open(tmp_path / "sender").model("triage")
    assert (model.id, result["model"]) == (sent.id, model.reference)
    assert (model.meta["signer"], model.format) == (signer, "onnx-int8")
    assert (model.folder / "about.json").exists()
    event = store.events()[-1]
    assert (event.verb, event.details["signer"]) == ("load", signer)
    release = promote(store, model, "triage")
    pointer = json.loads((store.home / "projects" / "main" / "releases" / "triage.json").read_text())
    assert release.version == model.id and pointer["folder"]
    assert load(store, folder, signer)["model"] == sent.reference  # again, under the name it had


def flip(folder: Path) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (flip, IntegrityError),
        (lambda folder: (folder / "extra.json").write_text("{}"), IntegrityError),
        (lambda folder: (folder / "tokenizer.json").unlink(), IntegrityError),
        (lambda folder: (folder / "about.json").write_text("{}"), IntegrityError),
    ],
)
def test_what_was_not_signed_stays_outside(
    folder: Path, signer: str, damage: object, error: type[ApplianceError]
) -> None:
    damage(folder)  # type: ignore[operator]
    store = Store.open()
    with pytest.raises(error):
        load(store, folder, signer)
    assert store.artifacts() == []
    assert list((store.home / "work" / "drafts").glob("*")) == []


def test_a_wrong_signer_is_refused(folder: Path, tmp_path: Path) -> None:
    other = signature.fingerprint(signature.public_key(tmp_path / "other"))
    with pytest.raises(IntegrityError, match="was signed by"):
        load(Store.open(), folder, other)


def pickled(folder: Path) -> None:
    (folder / "model.bin").write_bytes(pickle.dumps({"weights": 1}))


def pickle_as_onnx(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(pickle.dumps({"weights": 1}))


def pickle_as_card(folder: Path) -> None:
    (folder / "card.json").write_bytes(pickle.dumps({"weights": 1}, 0))


def torch_plan(folder: Path) -> None:
    plan = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(plan | {"format": "torch"}))


def code(folder: Path) -> None:
    (folder / "model.py").write_text("print('here')")


@pytest.mark.parametrize(
    ("plant", "error", "said"),
    [
        (pickled, PolicyError, "no part of an ONNX or n-gram model"),
        (code, PolicyError, "no part of an ONNX or n-gram model"),
        (pickle_as_onnx, InputError, "no ONNX file"),
        (pickle_as_card, InputError, "cannot read"),
        (torch_plan, PolicyError, "is a torch model"),
        (lambda folder: (folder / "model.onnx").unlink(), InputError, "lacks `model.onnx`"),
        (lambda folder: (folder / "about.json").write_text("[]"), InputError, "cannot read"),
    ],
)
def test_a_right_signature_lets_nothing_else_in(
    folder: Path, signer: str, tmp_path: Path, plant: object, error: type[ApplianceError], said: str
) -> None:
    plant(folder)  # type: ignore[operator]
    sign_again(folder, tmp_path)
    store = Store.open()
    with pytest.raises(error, match=said):
        load(store, folder, signer)
    assert store.artifacts() == []
