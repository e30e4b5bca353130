"""An ONNX file made anew: nothing but what a runtime needs, and the same answers where nothing was cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.compress.vocabulary import tokens
from appliance.egress import graph
from appliance.engine import on_onnx
from appliance.engine.plan import read_plan
from appliance.engine.texts import Reader
from appliance.errors import PolicyError
from tests.appliance.export.conftest import TEXTS

FORMS = [
    "onnx",
    "onnx-int8",
    *(pytest.param(form, marks=pytest.mark.long) for form in ("onnx-int8-static", "tensorrt")),
]


def logits(model: Any, ids: list[int]) -> np.ndarray[Any, Any]:
    """Run a model over one text's tokens."""
    session = on_onnx.open_session(graph.write(model), Path("model.onnx"))
    row = np.array([ids], np.int64)
    return session.run(["logits"], {"input_ids": row, "attention_mask": np.ones_like(row)})[0][0]  # type: ignore[no-any-return]


def content(folder: Path) -> bytes:
    """Return the bytes of a folder's model."""
    return (folder / "model.onnx").read_bytes()


def tokens_of(folder: Path) -> list[list[int]]:
    """Return the token ids of some texts."""
    reader = Reader(folder, read_plan(folder))
    return [reader.read(text)[0] for text in TEXTS[:12]]


@pytest.mark.parametrize("form", FORMS)
def test_the_plain_model_answers_to_the_bit(folders: dict[str, Path], form: str) -> None:
    import onnx

    before, after = onnx.load(folders[form] / "model.onnx"), graph.plain(content(folders[form]))
    for ids in tokens_of(folders[form]):
        assert np.array_equal(logits(before, ids), logits(after, ids))
    assert graph.write(after) == graph.write(graph.plain(graph.write(after)))


def test_notes_tools_unknown_fields_and_other_outputs_stay_behind(folders: dict[str, Path]) -> None:
    import onnx

    model = onnx.load(folders["onnx"] / "model.onnx")
    model.doc_string = model.graph.doc_string = model.graph.name = "note-1"
    model.graph.node[0].doc_string = model.graph.node[0].name = "note-1"
    model.graph.initializer[0].doc_string = model.graph.input[0].doc_string = "note-1"
    model.producer_name = model.producer_version = model.domain = "note-1"
    onnx.helper.set_model_props(model, {"note-1": "note-1"})
    inner = next(node.output[0] for node in model.graph.node if node.op_type == "MatMul")
    model.graph.output.append(onnx.helper.make_tensor_value_info(inner, onnx.TensorProto.FLOAT, ["note-1", None]))
    unknown = b"\xfa\x3f\x06note-1"  # field 1023, six bytes
    written = graph.write(graph.plain(model.SerializeToString() + unknown))
    assert b"note-1" not in written
    assert [item.name for item in onnx.ModelProto.FromString(written).graph.output] == ["logits"]


def spoilt(kind: str) -> bytes:
    """Return a small model with one odd part."""
    from onnx import TensorProto, helper

    name = "x y\n" if kind == "name" else "one"
    node = helper.make_node("Identity", ["input_ids"], [name], domain="other" if kind == "domain" else "")
    if kind == "letters":
        node.attribute.append(helper.make_attribute("said", "a whole sentence"))
    if kind == "inner":
        inner = helper.make_graph([], "inner", [], [])
        node.attribute.append(helper.make_attribute("then", inner))
    last = helper.make_node("Cast", [name], ["logits"], to=TensorProto.FLOAT)
    ends = [helper.make_tensor_value_info(end, kind_, ["batch", 2]) for end, kind_ in (("input_ids", 7), ("logits", 1))]
    model = helper.make_model(helper.make_graph([node, last], "g", ends[:1], ends[1:]))
    if kind == "function":
        model.functions.append(helper.make_function("d", "f", [], [], [], model.opset_import))
    if kind == "elsewhere":
        tensor = model.graph.initializer.add(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="/etc/passwd")
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize("kind", ["name", "domain", "letters", "inner", "function", "elsewhere"])
def test_parts_that_no_export_of_ours_has_are_refused(kind: str) -> None:
    graph.plain(spoilt("none"))
    with pytest.raises(PolicyError, match="export it again"):
        graph.plain(spoilt(kind))


@pytest.mark.parametrize("form", FORMS)
def test_labels_leave_with_their_numbers(folders: dict[str, Path], form: str) -> None:
    """What is left answers as before, but for the last bit of a narrower product; the dropped label's weights are in no constant any more."""
    whole, less = graph.plain(content(folders[form])), graph.plain(content(folders[form]))
    graph.keep_labels(less, [0, 2], 3)
    for ids in tokens_of(folders[form]):
        np.testing.assert_allclose(logits(less, ids), logits(whole, ids)[[0, 2]], rtol=0, atol=1e-6)
    names = [name for name, _axis in graph._head(whole, 3)]
    sizes = {item.name: list(item.dims) for item in less.graph.initializer}
    assert names and all(2 in sizes[name] and 3 not in sizes[name] for name in names)


@pytest.mark.parametrize("form", FORMS)
def test_dropped_entries_leave_with_their_rows(folders: dict[str, Path], form: str) -> None:
    rows = tokens_of(folders[form])
    kept = sorted({number for ids in rows for number in ids})
    entries = len(tokens((folders[form] / "tokenizer.json").read_bytes()))
    whole, less = graph.plain(content(folders[form])), graph.plain(content(folders[form]))
    graph.keep_entries(less, kept, entries)
    for ids in rows:
        assert np.array_equal(logits(whole, ids), logits(less, [kept.index(number) for number in ids]))
    assert len(graph.write(less)) < len(graph.write(whole)) / 2


@pytest.mark.parametrize(("form", "bits"), [("onnx", 8), ("onnx-int8", 8), ("onnx-int8", 4)])
def test_a_learned_row_gives_way_to_the_public_one(
    folders: dict[str, Path], tmp_path: Path, form: str, bits: int
) -> None:
    """Whatever training wrote there: afterwards the file is the one whose row was never touched."""
    import onnx
    from onnx import numpy_helper

    from appliance.export.to_int8 import to_int8

    model = onnx.load(folders["onnx"] / "model.onnx")
    (words,) = (item for item in model.graph.initializer if item.name.endswith("word_embeddings.weight"))
    table = numpy_helper.to_array(words).copy()
    public, rows = table[[20, 21]].copy(), tokens_of(folders["onnx"])
    table[[20, 21]] *= -3
    words.CopyFrom(numpy_helper.from_array(table, words.name))
    made = []
    for name, one in (("learned", model), ("public", onnx.load(folders["onnx"] / "model.onnx"))):
        onnx.save(one, tmp_path / f"{name}.onnx")
        if form == "onnx-int8":
            to_int8(tmp_path / f"{name}.onnx", tmp_path / f"{name}.onnx", True, rows, 128, table_bits=bits)
        made.append(graph.plain((tmp_path / f"{name}.onnx").read_bytes()))
    assert graph.write(made[0]) != graph.write(made[1])
    graph.put_back(made[0], [20, 21], public, len(table))
    assert graph.write(made[0]) == graph.write(made[1])


def test_a_table_kept_in_another_way_is_refused(folders: dict[str, Path]) -> None:
    model = graph.plain(content(folders["onnx"]))
    for change in (
        lambda: graph.put_back(model, [1], np.zeros((1, 5), np.float32), 10),
        lambda: graph.keep_entries(model, [0], 10),
        lambda: graph.keep_labels(model, [0], 7),
    ):
        with pytest.raises(PolicyError, match="export it again"):
            change()
