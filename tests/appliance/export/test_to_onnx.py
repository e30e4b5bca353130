"""The ONNX file: self-contained, dynamic, silent to make, the same bytes each time, nothing of the machine in it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from appliance import engine


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_another_process_writes_the_same_bytes_and_says_nothing(exported: dict[str, Path], tmp_path: Path) -> None:
    """Hash seeds differ between processes, so the order of sets and the paths of objects would show."""
    script = (
        "import sys; from pathlib import Path; from appliance.engine.on_torch import load_network;"
        "from appliance.export.to_onnx import to_onnx;"
        "to_onnx(load_network(Path(sys.argv[1]), 3), Path(sys.argv[2]), 20)"
    )
    arguments = [sys.executable, "-c", script, str(exported["torch"]), str(tmp_path / "again.onnx")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sha256(tmp_path / "again.onnx") == sha256(exported["onnx"] / "model.onnx")


@pytest.mark.parametrize("form", ["onnx", "onnx-int8"])
def test_the_file_tells_nothing_about_the_machine_that_made_it(exported: dict[str, Path], form: str) -> None:
    content = (exported[form] / "model.onnx").read_bytes()
    home = str(Path.home()).encode()
    for trace in (b".py", b"site-packages", b"stack_trace", b"torch", b"/tmp", home, sys.prefix.encode()):
        assert trace not in content
    model = onnx.load_from_string(content)
    assert not model.metadata_props and not model.doc_string
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert (model.producer_name, model.producer_version) == ("skerry", "")


@pytest.mark.parametrize("form", ["onnx", "onnx-int8"])
def test_the_file_is_valid_onnx_of_the_opset_asked_for(exported: dict[str, Path], form: str) -> None:
    model = onnx.load(exported[form] / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {item.version for item in model.opset_import if item.domain == ""} == {20}
    assert [item.name for item in model.graph.input] == ["input_ids", "attention_mask"]
    assert [item.name for item in model.graph.output] == ["logits"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 128), (2, 7), (9, 33)])
def test_batch_and_tokens_are_free_and_padding_is_hidden(exported: dict[str, Path], shape: tuple[int, int]) -> None:
    source, portable = engine.load(exported["torch"]), engine.load(exported["onnx"])
    random = np.random.default_rng(sum(shape))
    input_ids = random.integers(5, 300, shape)
    mask = (np.arange(shape[1]) < random.integers(1, shape[1] + 1, (shape[0], 1))).astype(np.int64)
    logits = portable.forward(input_ids, mask)
    assert logits == pytest.approx(source.forward(input_ids, mask), abs=1e-4)
    assert portable.forward(np.where(mask, input_ids, 7), mask) == pytest.approx(logits, abs=1e-4)
