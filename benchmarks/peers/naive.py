"""The handler that articles show: FastAPI, a torch model in eager mode on one thread, called in the event loop.

`python naive.py FOLDER PORT`, where FOLDER is a torch model of ours; with `--int8` a model folder as ONNX instead, run
by a plain `def` handler (FastAPI's own thread pool).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Question(BaseModel):
    """What a client sends."""

    text: str


def with_torch(folder: str) -> None:
    """Answer as the articles do."""
    import torch
    from transformers import PreTrainedTokenizerFast

    from appliance.engine import on_torch

    torch.set_num_threads(1)
    labels = json.loads((Path(folder) / "model.json").read_text())["labels"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]")
    network = on_torch.load_network(Path(folder), len(labels))

    @app.post("/predict")
    async def predict(question: Question) -> dict[str, object]:
        read = tokenizer(question.text, truncation=True, max_length=256, return_tensors="pt")
        scores = torch.softmax(on_torch.logits(network, read["input_ids"], read["attention_mask"]), dim=-1)[0]
        best = int(scores.argmax())
        return {"label": labels[best], "score": float(scores[best])}


def with_int8(folder: str) -> None:
    """Answer with ONNX Runtime in threads."""
    from int8 import Model

    model = Model(folder)

    @app.post("/predict")
    def predict(question: Question) -> dict[str, object]:
        return model.predict([question.text])[0]


if __name__ == "__main__":
    (with_int8 if "--int8" in sys.argv else with_torch)(sys.argv[1])
    uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)
