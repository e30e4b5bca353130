"""ONNX models: the same answer alone and in company, from files that can reach nothing but themselves."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from appliance import device, engine
from appliance.engine.on_onnx import OnnxEngine, provider_of, saturates
from appliance.engine.onnx_file import open_session
from appliance.engine.plan import Plan, read_plan, write_plan
from appliance.engine.texts import Reader
from appliance.errors import InputError, MissingPartError
from tests.tiny_onnx import LABELS, MAX_TOKENS, text, write_model, write_tagger

TEXTS = [text(1 + number * 7 % 60, number) for number in range(60)]


@pytest.fixture(scope="module", params=["onnx", "onnx-int8"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), request.param)


def test_a_text_gets_the_same_answer_alone_and_in_any_company(folder: Path) -> None:
    """Bit for bit, for each text, whatever stands before and behind it."""
    model = engine.load(folder)
    alone = np.concatenate([model.logits([one]) for one in TEXTS])
    assert np.array_equal(model.logits(TEXTS), alone)
    assert np.array_equal(model.logits(TEXTS[::-1])[::-1], alone)
    assert model.predict(TEXTS) == [model.predict([one])[0] for one in TEXTS]


def test_the_network_itself_would_answer_otherwise_in_a_padded_batch(tmp_path: Path) -> None:
    """This is why texts run alone: the int8 network sees the largest activation of its whole batch."""
    model = engine.load(write_model(tmp_path))
    input_ids = np.random.default_rng(0).integers(3, 300, (8, 16))
    batch = model.forward(input_ids, np.ones_like(input_ids))
    alone = np.concatenate([model.forward(row[None], np.ones_like(row[None])) for row in input_ids])
    assert not np.array_equal(batch, alone)


def test_threads_share_one_session_and_get_the_same_answers(folder: Path) -> None:
    model = engine.load(folder)
    alone = model.predict(TEXTS)
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(model.predict(TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [alone] * 4


@pytest.mark.parametrize("strange", ["", "   ", "\x00", "unknown words only", "w1 " * 5000])
def test_every_text_has_an_answer(folder: Path, strange: str) -> None:
    [prediction] = engine.load(folder).predict([strange])
    assert prediction.label in LABELS
    assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
    assert prediction.truncated is (len(strange) > 100)


def test_no_texts_give_no_answers(folder: Path) -> None:
    model = engine.load(folder)
    assert model.predict([]) == []
    assert model.logits([]).shape == (0, len(LABELS))


def test_min_score_abstains(folder: Path) -> None:
    model = engine.load(folder)
    assert all(prediction.label is None for prediction in model.predict(TEXTS, min_score=1.0) if prediction.score < 1)


def test_half_a_character_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        engine.load(folder).predict(["w1 \udc80"])


def test_answering_imports_no_torch(folder: Path) -> None:
    """Neither torch nor the `onnx` package nor scikit-learn is there on a serving box."""
    script = (
        "import sys; from appliance import engine; assert 'onnxruntime' not in sys.modules;"
        f"print(engine.load({str(folder)!r}).predict(['w1 w2'])[0].label);"
        "assert not {'torch', 'transformers', 'onnx', 'sklearn', 'scipy', 'pyarrow', 'sqlalchemy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in LABELS
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("machine", "flags", "told"),
    [
        ("x86_64", ["avx2", "avx512f", "avx512_vnni"], False),
        ("x86_64", ["avx2", "avx_vnni"], False),
        ("x86_64", ["avx2"], True),
        ("x86_64", [], True),
        ("AMD64", ["avx2", "avx512f"], True),
        ("aarch64", ["asimd"], False),
    ],
)
def test_only_x86_without_vnni_saturates(machine: str, flags: list[str], told: bool) -> None:
    assert saturates(machine, flags) is told


@pytest.mark.parametrize(
    ("flags", "reduce_range", "exact"), [(["avx2"], False, True), (["avx2"], True, False), (["avx_vnni"], False, False)]
)
def test_the_exact_kernel_is_taken_only_where_weights_of_8_bits_would_saturate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], reduce_range: bool, exact: bool
) -> None:
    """It takes twice the time, so that a CPU with VNNI must not pay for it."""
    monkeypatch.setattr(device, "cpu", lambda: ("a processor", frozenset(flags)))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    folder = write_model(tmp_path)
    write_plan(folder, replace(read_plan(folder), reduce_range=reduce_range))
    entries: dict[str, str] = {}
    real = onnxruntime.SessionOptions.add_session_config_entry
    monkeypatch.setattr(
        onnxruntime.SessionOptions,
        "add_session_config_entry",
        lambda options, key, value: entries.update({key: value}) or real(options, key, value),
    )
    assert engine.load(folder).predict(["w1"])
    assert ("session.x64quantprecision" in entries) is exact
    assert entries["session.intra_op.allow_spinning"] == "0"


@pytest.mark.parametrize("wanted", ["auto", "cpu", "tensorrt"])
def test_without_a_gpu_the_cpu_runs_it(monkeypatch: pytest.MonkeyPatch, wanted: Any) -> None:
    monkeypatch.setattr(device, "gpus", lambda: ())
    assert provider_of(wanted) == "CPUExecutionProvider"


@pytest.mark.parametrize("here", [True, False])
def test_a_gpu_is_taken_where_the_runtime_can_use_it(monkeypatch: pytest.MonkeyPatch, here: bool) -> None:
    monkeypatch.setattr(device, "gpus", lambda: (device.Gpu("a GPU", 10**9, 10**9, 9.0),))
    providers = ["CUDAExecutionProvider"] * here + ["CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    assert provider_of("auto") == providers[0]
    if here:
        assert provider_of("cuda") == "CUDAExecutionProvider"
    else:
        with pytest.raises(MissingPartError, match="extra `gpu`"):
            provider_of("cuda")


def test_embeddings_have_length_one_and_are_what_the_head_reads(folder: Path) -> None:
    """For this network, with a plain head, logits are a product of the embedding: any two texts near in one are near in the other."""
    model: Any = engine.load(folder)
    found = model.embed(TEXTS)
    assert found.shape == (60, model.embedding_width) == (60, 32)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)
    if model.plan.format == "onnx":
        initial = {one.name: numpy_helper.to_array(one) for one in onnx.load(folder / "model.onnx").graph.initializer}
        assert found @ initial["head"] + initial["bias"] == pytest.approx(model.logits(TEXTS), abs=1e-5)


def test_asking_for_embeddings_changes_no_logit(folder: Path) -> None:
    """The graph has one more output than its file; the answers are those of the file, bit for bit."""
    plain = OnnxEngine(
        read_plan(folder),
        Reader(folder, read_plan(folder)),
        open_session((folder / "model.onnx").read_bytes(), folder / "model.onnx"),
    )
    assert np.array_equal(engine.load(folder).logits(TEXTS), plain.logits(TEXTS))


def test_a_graph_without_normalisation_has_no_embeddings(tmp_path: Path) -> None:
    model: Any = engine.load(write_tagger(tmp_path))
    assert model.embedding_width == 0
    with pytest.raises(InputError, match="no embeddings"):
        model.run([[1, 2]], "embed")


# -- hostile and broken files ----------------------------------------------------------------------------------------


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    return write_model(tmp_path, "onnx") / "model.onnx"


def refused(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        engine.load(path.parent)
    return str(raised.value)


def test_weights_in_another_file_are_refused(model_file: Path) -> None:
    """A hard link or a symlink under that name would let a model read any file."""
    model = onnx.load(model_file)
    onnx.save(model, model_file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert "another file" in refused(model_file)


def test_external_data_hidden_in_a_subgraph_is_refused(model_file: Path) -> None:
    model = onnx.load(model_file)
    secret = TensorProto(name="secret", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    secret.external_data.add(key="location", value="/etc/passwd")
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])
    branch = helper.make_graph([helper.make_node("Constant", [], ["out"], value=secret)], "branch", [], [output])
    condition = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    model.graph.initializer.append(condition)
    model.graph.node.append(helper.make_node("If", ["yes"], ["leak"], then_branch=branch, else_branch=branch))
    model_file.write_bytes(model.SerializeToString())
    assert "another file" in refused(model_file)


@pytest.mark.parametrize("domain", ["com.example", "com.microsoft", "ai.onnx.ml", " "])
def test_operators_outside_the_standard_are_refused(model_file: Path, domain: str) -> None:
    model = onnx.load(model_file)
    model.opset_import.append(helper.make_opsetid(domain, 1))
    model.graph.node.append(helper.make_node("Anything", ["input_ids"], ["more"], domain=domain))
    model_file.write_bytes(model.SerializeToString())
    assert "outside the ONNX standard" in refused(model_file)


def test_operators_hidden_in_a_function_are_refused(model_file: Path) -> None:
    model = onnx.load(model_file)
    node = helper.make_node("Anything", ["x"], ["y"], domain="com.example")
    model.functions.append(helper.make_function("", "F", ["x"], ["y"], [node], [helper.make_opsetid("", 20)]))
    model_file.write_bytes(model.SerializeToString())
    assert "outside the ONNX standard" in refused(model_file)


def test_a_symlinked_model_is_read_as_bytes_and_judged_alike(model_file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.onnx"
    shutil.move(model_file, elsewhere)
    model_file.symlink_to(elsewhere)
    assert engine.load(model_file.parent).predict(["w1"])


@pytest.mark.parametrize("cut", [0, 1, 10, 1000, -1])
def test_a_damaged_file_is_refused(model_file: Path, cut: int) -> None:
    model_file.write_bytes(model_file.read_bytes()[:cut] if cut else b"\x00\xff" * 50)
    assert "model.onnx" in refused(model_file)


def test_a_missing_file_is_refused(model_file: Path) -> None:
    model_file.unlink()
    assert "No such file" in refused(model_file)


def test_a_plan_with_other_labels_is_refused(model_file: Path) -> None:
    write_plan(model_file.parent, Plan("onnx", "classify", ("a", "b"), MAX_TOKENS, "", "tiny", ("en",)))
    assert "2 labels" in refused(model_file)


def test_other_inputs_are_refused(model_file: Path) -> None:
    model = onnx.load(model_file)
    model.graph.input[0].name = "pixels"
    for node in model.graph.node:
        node.input[:] = ["pixels" if name == "input_ids" else name for name in node.input]
    onnx.save(model, model_file)
    assert "cannot read" in refused(model_file)


def test_the_plan_tells_the_format(model_file: Path) -> None:
    assert read_plan(model_file.parent).format == engine.load(model_file.parent).plan.format == "onnx"
