"""A small real ONNX model, built without torch: word embeddings, one layer, mean pooling, L2 normalisation, a head.

As `onnx-int8` its matrices are quantised dynamically, so that, as with a large one, a text's logits depend on the batch
it runs in.
"""

from __future__ import annotations

import random
from pathlib import Path

from appliance.engine.plan import Plan, write_plan
from appliance.schema import Model
from appliance.store import Store

LABELS = ("card", "transfer", "account")
WORDS = 400
HIDDEN = 32
MAX_TOKENS = 64


def write_model(folder: Path, form: str = "onnx-int8", seed: int = 0, labels: tuple[str, ...] = LABELS) -> Path:
    """Write a model folder in the form `onnx` or `onnx-int8`. Returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder / "tokenizer.json")
    _write_network(folder / "model.onnx", form, seed, len(labels))
    write_plan(folder, Plan(form, "classify", labels, MAX_TOKENS, "", "tiny", ("en",), form == "onnx-int8"))
    return folder


def write_tagger(folder: Path) -> Path:
    """Write a model folder for the task `tag`: `w1` and `w3` begin a CARD, `w2` goes on with one. Returns `folder`."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder / "tokenizer.json")
    logits = np.zeros((WORDS + 3, 3), np.float32)
    for word in range(WORDS + 3):
        logits[word, {4: 1, 5: 2, 6: 1}.get(word, 0)] = 5.0  # the first three are special
    tensors = [numpy_helper.from_array(logits, "words")]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "tokens", 3])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["words", "input_ids"], ["logits"])], "tagger", ends, [output], tensors
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / "model.onnx"
    )
    write_plan(folder, Plan("onnx", "tag", ("O", "B-CARD", "I-CARD"), MAX_TOKENS, "", "tiny", ("en",)))
    return folder


def add_model(store: Store, name: str = "triage", form: str = "onnx-int8", seed: int = 0) -> Model:
    """Register a tiny model in the store; each seed is another version."""
    with store.draft("model", name, meta={"format": form}) as draft:
        write_model(draft.folder, form, seed)
    model: Model = draft.artifact
    return model


def text(words: int, seed: int = 0) -> str:
    """Return a text of so many words that the tokenizer knows; each seed gives another one."""
    return " ".join(f"w{number}" for number in random.Random(seed).choices(range(WORDS), k=words))


def _write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {
        word: index for index, word in enumerate(["[UNK]", "[CLS]", "[SEP]", *(f"w{n}" for n in range(WORDS))])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(path))


def _write_network(path: Path, form: str, seed: int, labels: int) -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    source = np.random.default_rng(seed)
    weights = {
        "words": source.normal(size=(WORDS + 3, HIDDEN)),
        "layer": source.normal(size=(HIDDEN, HIDDEN)) / HIDDEN**0.5,
        "head": source.normal(size=(HIDDEN, labels)) * 2,
        "bias": source.normal(size=labels),
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    constants += [
        numpy_helper.from_array(np.array([axis], np.int64), name) for name, axis in (("one", 1), ("last", -1))
    ]
    constants.append(numpy_helper.from_array(np.array(0, np.int64), "zero"))
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["embedded"]),  # (batch, tokens, hidden)
        helper.make_node("MatMul", ["embedded", "layer"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["states"]),
        helper.make_node("Cast", ["attention_mask"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "last"], ["mask"]),
        # Pooled as `to_onnx` does it, so that the order of the sum does not depend on the batch.
        helper.make_node("Concat", ["mask", "mask"], ["two_masks"], axis=2),
        helper.make_node("Transpose", ["two_masks"], ["mask_rows"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["mask_rows", "states"], ["two_sums"]),  # (batch, 2, hidden)
        helper.make_node("Gather", ["two_sums", "zero"], ["sum"], axis=1),
        helper.make_node("ReduceSum", ["mask", "one"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("LpNormalization", ["mean"], ["pooled"], axis=1, p=2),
        helper.make_node("MatMul", ["pooled", "head"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    if form == "onnx-int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(path, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
