"""The int8 model as every peer runs it: ONNX Runtime on one thread, tokenizers, the same files that our server loads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"


class Model:
    """A classifier; `predict` gives the label and score of each text, padded to the longest."""

    def __init__(self, folder: str) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self.plan = json.loads((Path(folder) / "model.json").read_text())
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.enable_truncation(self.plan["max_tokens"])
        self.tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """Answer texts in one run."""
        import numpy as np

        read = self.tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in read], np.int64)
        mask = np.array([one.attention_mask for one in read], np.int64)
        logits = self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        parts = np.exp(logits - logits.max(axis=1, keepdims=True))
        parts /= parts.sum(axis=1, keepdims=True)
        best = parts.argmax(axis=1)
        return [
            {"label": self.plan["labels"][index], "score": float(row[index])}
            for row, index in zip(parts, best, strict=True)
        ]
