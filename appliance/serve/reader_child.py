"""The process that parses large bodies for the server: `python -m appliance.serve.reader_child`.

It reads orders on its standard input, a line of JSON each with the body behind it, and answers on its standard output: sizes (`reader.REPLY`), JSON (what was
asked, or the problem) and the texts. It ends when its input does.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from dataclasses import asdict
from typing import Any

from appliance.serve import frames
from appliance.serve.body import parse_predict
from appliance.serve.embeddings import parse_embeddings
from appliance.serve.problems import Problem
from appliance.serve.reader import REPLY, Parse
from appliance.serve.tensors import BINARY_SIZE, parse_infer

_PARSERS: dict[str, Parse] = {parse.__name__: parse for parse in (parse_predict, parse_embeddings, parse_infer)}


def main() -> None:
    """Parse until nobody asks any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the server drains and then lets go
        signal.signal(number, signal.SIG_IGN)
    gc.disable()  # which looks at a million parts of a body again and again
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    for line in iter(orders.readline, b""):
        order = json.loads(line)
        found, texts = _parsed(order, orders.read(order["bytes"]))
        told, content = json.dumps(found).encode(), frames.written(texts)
        answers.write(REPLY.pack(len(told), len(content), len(texts)) + told + content)
        answers.flush()
        gc.collect()


def _parsed(order: dict[str, Any], body: bytes) -> tuple[dict[str, Any], list[str]]:
    headers = {BINARY_SIZE: order["size"].encode("latin-1")} if "size" in order else {}
    try:
        question = _PARSERS[order["parse"]](body, headers, order["max_inputs"])
    except Problem as problem:
        names = ("kind", "detail", "field", "retry_after_s")
        return {"problem": {name: getattr(problem, name) for name in names}}, []
    found = asdict(question)
    return found, found.pop("texts")


if __name__ == "__main__":
    main()
