"""Large bodies, parsed in a process of their own.

JSON of some megabytes can be made so that parsing it takes seconds, and Python parses nothing else meanwhile. Small bodies, which nearly all are, are
parsed where they arrive; the process starts with the first large one and parses them one after the other.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

from appliance.log import log
from appliance.serve import frames
from appliance.serve.body import Output, Question
from appliance.serve.problems import Problem
from appliance.serve.tensors import BINARY_SIZE
from appliance.words import _

LARGE_BYTES = 64 * 1024
REPLY = struct.Struct("<III")  # bytes of JSON, bytes of texts behind it, their number

Parse = Callable[[bytes, Mapping[bytes, bytes], int], Question]


class Reader:
    """The process that parses large bodies, while there is one. Used in the event loop's thread."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def read(self, parse: Parse, body: bytes, headers: Mapping[bytes, bytes], max_inputs: int) -> Question:
        """Return what `parse(body, headers, max_inputs)` does: a function that `reader_child` knows by its name.

        Raises what it raises, and `Problem` (503) when the process ends on it.
        """
        size = headers.get(BINARY_SIZE)  # the one header that the parsing of a body asks for
        order = {"parse": parse.__name__, "max_inputs": max_inputs, "bytes": len(body)}
        async with self._turn:
            try:
                found, texts = await self._ask(order | ({"size": size.decode("latin-1")} if size else {}), body)
            except (OSError, EOFError) as error:
                log("reader lost", error=type(error).__name__)
                self.stop()
                raise _lost() from error
            except asyncio.CancelledError:  # half an answer may be on its way
                self.stop()
                raise
        if "problem" in found:
            told = found["problem"]
            raise Problem(told["kind"], told["detail"], field=told["field"], retry_after_s=told["retry_after_s"])
        outputs = tuple(Output(**output) for output in found.pop("outputs"))
        return Question(texts=texts, outputs=outputs, **found)

    def stop(self) -> None:
        """Let the process go."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None

    async def _ask(self, order: Mapping[str, Any], body: bytes) -> tuple[dict[str, Any], list[str]]:
        if self._process is None:
            command = [sys.executable, "-P", "-m", "appliance.serve.reader_child"]
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        given, taken = self._process.stdin, self._process.stdout
        assert given is not None and taken is not None
        given.write(json.dumps(order).encode() + b"\n")
        given.write(body)
        await given.drain()
        length, size, count = REPLY.unpack(await taken.readexactly(REPLY.size))
        found: dict[str, Any] = json.loads(await taken.readexactly(length))
        return found, frames.texts_of(await taken.readexactly(size), count)


def _lost() -> Problem:
    return Problem(
        "busy", _("the process that parses large bodies has ended; ask again, or send less at once"), retry_after_s=1
    )
