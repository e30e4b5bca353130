"""Foreign parsers in a process of their own: bounded memory and time, no files written, no core dump.

A workbook of 5 KB with two cells far apart makes its parser ask for gigabytes, and what cannot be had ends the whole process, not
with an exception. So the parsers that are not ours, or that see a whole file at once, run here: `python -m appliance.data.formats.apart` reads
requests from its standard input, one JSON object a line, and answers with lines of rows.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from appliance import errors
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["Apart", "serve"]

_BATCH_ROWS = 500
_BATCH_CHARACTERS = 1024**2


class Apart:
    """Runs format modules in a child process, which is started at the first file and again after it has died."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Apart:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def read(
        self, module: str, path: Path, name: str, options: IngestOptions, settings: IngestSettings
    ) -> Iterator[Row | Fault]:
        """Yield what `module.read` yields. Raises its errors; `InputError` when the parser died or went over a limit."""
        child = self._child = self._child or _start()
        assert child.stdin is not None and child.stdout is not None
        request = {
            "module": module,
            "path": str(path),
            "name": name,
            "options": asdict(options),
            "settings": settings.model_dump(),
        }
        finished = False
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            for line in child.stdout:
                answer = json.loads(line)
                if "rows" not in answer:
                    finished = True
                    break
                for item in answer["rows"]:
                    yield Row(*item) if len(item) == 5 else Fault(*item)
        except BrokenPipeError:
            pass
        finally:
            if not finished:  # it died, or nobody wants the rest
                self._end()
        if not finished:
            raise errors.InputError(
                _("cannot read `{file}`: its parser needed more than `ingest.parser_memory_bytes` or `ingest.parser_cpu_s`, or broke on it; the file is damaged, hostile or too large", file=name)
            )  # fmt: skip
        if answer.get("error"):
            raise getattr(errors, answer["error"])(answer["message"])

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _start() -> subprocess.Popen[bytes]:
    # -P and PYTHONPATH: the package that runs here, never a module that happens to lie in the current folder.
    root = str(Path(errors.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-B", "-P", "-m", "appliance.data.formats.apart"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": root},
    )  # fmt: skip


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until their end."""
    for line in requests:
        request = json.loads(line)
        settings = IngestSettings(**request["settings"])
        options = IngestOptions(**request["options"] | {"keep_columns": tuple(request["options"]["keep_columns"])})
        _limit(settings)
        module = importlib.import_module(request["module"])
        try:
            for batch in _batches(module.read(Path(request["path"]), request["name"], options, settings)):
                _answer(answers, {"rows": batch})
            _answer(answers, {})
        except errors.ApplianceError as error:
            _answer(answers, {"error": type(error).__name__, "message": str(error)})


def _limit(settings: IngestSettings) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + settings.parser_cpu_s
    for kind, limit in (
        (resource.RLIMIT_AS, settings.parser_memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _batches(items: Iterator[Row | Fault]) -> Iterator[list[Row | Fault]]:
    batch: list[Row | Fault] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item.text or "") if isinstance(item, Row) else 0
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _answer(answers: IO[bytes], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    private = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    serve(sys.stdin.buffer, private)
