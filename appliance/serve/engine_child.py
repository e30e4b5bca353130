"""The process that holds the models: `python -m appliance.serve.engine_child SETTINGS CONTROL LANE...`.

The server starts it and speaks to it over Unix sockets, whose numbers it names. Over the first one come orders to load
and to unload, a line of JSON each; each of the others is a lane: a thread that answers one request after the other
(`frames`). All lanes share each model's one session. It ends when the server closes the first socket, or dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import socket
import sys
import threading
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import engine
from appliance.errors import ApplianceError
from appliance.log import log
from appliance.serve import frames
from appliance.serve.batcher import Asked, answer
from appliance.words import _

if TYPE_CHECKING:
    from appliance.engine import Engine

_WARM_UP_TOKENS = (8, 16, 32, 64, 128)
_GONE = _("the model is not loaded")


def main() -> None:
    """Answer until the server is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the server drains and then closes
        signal.signal(number, signal.SIG_IGN)
    settings = json.loads(sys.argv[1])
    control, *lanes = (socket.socket(fileno=int(number)) for number in sys.argv[2:])
    loaded: dict[int, Asked] = {}
    for lane in lanes:
        threading.Thread(target=answer_lane, args=(lane, loaded), daemon=True).start()
    with control.makefile("rwb") as orders:
        for line in orders:
            orders.write(json.dumps(_obey(json.loads(line), loaded, settings)).encode() + b"\n")
            orders.flush()
    os._exit(0)  # whatever a lane is at, nobody waits for it


def answer_lane(lane: socket.socket, loaded: dict[int, Asked]) -> None:
    """Answer the requests of one lane until its other end closes."""
    with contextlib.suppress(OSError), lane, lane.makefile("rb") as requests:
        while len(head := requests.read(frames.REQUEST.size)) == frames.REQUEST.size:
            length, kind, count, number = frames.REQUEST.unpack(head)
            texts = frames.texts_of(requests.read(length), count)
            asked = loaded.get(number)
            if asked is None:
                items, took_s = [frames.Item(frames.FAILED, False, 0, 0.0, 1, 0, _GONE.encode())] * count, 0.0
            else:
                items, took_s = answer(asked, frames.KINDS[kind], texts)
            lane.sendall(frames.reply(items, took_s))


def _obey(order: dict[str, Any], loaded: dict[int, Asked], settings: dict[str, Any]) -> dict[str, Any]:
    number = int(order["number"])
    if order["do"] == "unload":
        loaded.pop(number, None)
        _give_back_memory()
        return {}
    files: dict[str, str] = {}
    try:
        found = engine.load(Path(order["folder"]), read=partial(_read_noting, files), provider=settings["provider"])
        asked = prepare(found, int(settings["batch_tokens"]), settings["long_texts"])
    except ApplianceError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:  # foreign bytes may break a library; the server must hear of it
        log("load failed", error=type(error).__name__)
        return {"error": "InputError", "message": _("the model cannot be loaded; export it again")}
    loaded[number] = asked
    _give_back_memory()
    width = found.embedding_width if isinstance(found, engine.Reads) else 0
    return {"plan": asdict(found.plan), "together": asked.together, "files": files, "embedding_width": width}


def _read_noting(files: dict[str, str], path: Path) -> bytes:
    content = path.read_bytes()
    files[path.name] = hashlib.sha256(content).hexdigest()
    return content


def prepare(found: Engine, batch_tokens: int, long_texts: engine.LongTexts) -> Asked:
    """Warm a model up, and see whether its texts may share a run.

    Memory for each shape is taken now, not at somebody's first request. A model whose format should give the same bits in any company is tried: where it does
    not on this machine, its texts run alone.
    """
    alone = Asked(found, False, batch_tokens, long_texts)
    for tokens in _WARM_UP_TOKENS:
        answer(alone, "predict", [_text(found, tokens)])
    if not isinstance(found, engine.Reads) or not engine.batches(found.plan):
        return alone
    texts = [_text(found, tokens) for tokens in _WARM_UP_TOKENS[:3]]
    rows = [found.read(text, "truncate").windows[0] for text in texts]
    same = all(_same_bits(found, company) for company in (rows, rows[::-1], rows * 3, rows[:1] * 8))
    log("batching", on=same)
    return Asked(found, same, batch_tokens, long_texts)


def _text(found: Engine, tokens: int) -> str:
    return "".join(f" {chr(ord('a') + number % 26)}" for number in range(min(tokens, found.plan.max_tokens) - 2))


def _same_bits(found: Any, rows: list[list[int]]) -> bool:
    together = found.run(rows, "predict")
    return all(
        found.run([row], "predict")[0].tobytes() == output.tobytes() for row, output in zip(rows, together, strict=True)
    )


def _give_back_memory() -> None:
    # Reading and checking a model takes its size a few times over; glibc keeps that unless it is told (malloc_trim(3)).
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


if __name__ == "__main__":
    main()
