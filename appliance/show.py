"""What the command line prints: one JSON object, or the same as aligned lines and tables; progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from appliance.words import _

__all__ = ["Progress", "ask", "say", "show", "wipe"]

_CELL = 60
_PIPE_COLUMNS = 400
_OURS = frozenset(("after", "before", "metrics", "parity", "risk"))


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a verb's result on stdout."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    # A pipe gets whole lines; only a terminal has a width to keep to.
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    labels = _labels()
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping) and len(set(map(tuple, value))) > 1:
            for row in value:  # the steps of a run: each tells other things
                (_first, title), *rest = row.items()
                console.print(f"{title}")
                for name, cell in rest:
                    console.print(f"  {labels.get(name, name)}: {_told(name, cell, labels)}", soft_wrap=True)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            table = Table(
                *(labels.get(column, str(column)) for column in value[0]), box=None, pad_edge=False, header_style="bold"
            )
            for row in value:
                table.add_row(*(_cell(cell) for cell in row.values()))
            console.print(f"{labels.get(key, key)}:")
            console.print(table)
        else:
            console.print(f"{labels.get(key, key)}: {_told(key, value, labels)}", soft_wrap=True)


def say(message: str) -> None:
    """Print one line for the person on stderr."""
    print(message, file=sys.stderr, flush=True)


def ask(prompt: str) -> str | None:
    """Ask the person at the terminal: the prompt on stderr, the line from stdin; None at its end."""
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


def wipe() -> None:
    """Clear a terminal with what was scrolled off it (ECMA-48 ED, and xterm's 3): raw records were shown. Elsewhere nothing happens."""
    if sys.stderr.isatty():
        print("\x1b[2J\x1b[3J\x1b[H", end="", file=sys.stderr, flush=True)


def _labels() -> dict[str, str]:
    """The keys of the results in the reader's language; in JSON they stay as they are."""
    return {
        "abstained": _("abstained"),
        "accuracy": _("accuracy"),
        "actor": _("actor"),
        "after": _("after"),
        "agreement": _("agreement"),
        "alert": _("alert"),
        "alerts": _("alerts"),
        "alpha_high": _("alpha_high"),
        "alpha_low": _("alpha_low"),
        "annotators": _("annotators"),
        "answers": _("answers"),
        "approved_by": _("approved_by"),
        "artifacts": _("artifacts"),
        "attempts": _("attempts"),
        "backup": _("backup"),
        "base": _("base"),
        "bases": _("bases"),
        "batch": _("batch"),
        "batches": _("batches"),
        "before": _("before"),
        "beyond": _("beyond"),
        "byte": _("byte"),
        "bytes": _("bytes"),
        "calibration_error": _("calibration_error"),
        "canary": _("canary"),
        "changed": _("changed"),
        "checks": _("checks"),
        "children": _("children"),
        "chinese": _("chinese"),
        "chosen": _("chosen"),
        "class": _("class"),
        "classes": _("classes"),
        "closed": _("closed"),
        "code": _("code"),
        "collisions": _("collisions"),
        "column": _("column"),
        "columns": _("columns"),
        "compared": _("compared"),
        "copied": _("copied"),
        "copies_outside": _("copies_outside"),
        "count": _("count"),
        "covered": _("covered"),
        "cpu_share": _("cpu_share"),
        "created": _("created"),
        "dataset": _("dataset"),
        "datasets": _("datasets"),
        "default": _("default"),
        "deleted": _("deleted"),
        "description": _("description"),
        "destroyed": _("destroyed"),
        "details": _("details"),
        "difference": _("difference"),
        "digest": _("digest"),
        "docs_per_s": _("docs_per_s"),
        "drift": _("drift"),
        "drop": _("drop"),
        "duplicates": _("duplicates"),
        "ended": _("ended"),
        "ended_version": _("ended_version"),
        "erased": _("erased"),
        "erased_rows": _("erased_rows"),
        "erased_sets": _("erased_sets"),
        "error": _("error"),
        "errors": _("errors"),
        "events": _("events"),
        "evidence": _("evidence"),
        "failed": _("failed"),
        "fallbacks": _("fallbacks"),
        "fell_back": _("fell_back"),
        "file": _("file"),
        "files": _("files"),
        "findings": _("findings"),
        "flagged": _("flagged"),
        "float_bytes": _("float_bytes"),
        "floors": _("floors"),
        "for_review": _("for_review"),
        "forgotten": _("forgotten"),
        "format": _("format"),
        "found": _("found"),
        "free_bytes": _("free_bytes"),
        "from": _("from"),
        "gap": _("gap"),
        "gold_right": _("gold_right"),
        "head": _("head"),
        "held_back": _("held_back"),
        "hidden_cells": _("hidden_cells"),
        "hidden_share": _("hidden_share"),
        "high": _("high"),
        "highest": _("highest"),
        "home": _("home"),
        "id": _("id"),
        "installed": _("installed"),
        "job": _("job"),
        "jobs": _("jobs"),
        "k": _("k"),
        "kappa": _("kappa"),
        "kappa_high": _("kappa_high"),
        "kappa_low": _("kappa_low"),
        "key": _("key"),
        "key_file": _("key_file"),
        "keyed": _("keyed"),
        "kind": _("kind"),
        "kinds": _("kinds"),
        "known": _("known"),
        "l": _("l"),
        "label": _("label"),
        "labelled": _("labelled"),
        "labels": _("labels"),
        "language": _("language"),
        "languages": _("languages"),
        "latency_ms": _("latency_ms"),
        "latency_ratio": _("latency_ratio"),
        "law": _("law"),
        "leased": _("leased"),
        "levels": _("levels"),
        "licence": _("licence"),
        "low": _("low"),
        "macro_f1": _("macro_f1"),
        "matches": _("matches"),
        "mean": _("mean"),
        "median_s": _("median_s"),
        "memory_share": _("memory_share"),
        "method": _("method"),
        "metric": _("metric"),
        "metrics": _("metrics"),
        "minute": _("minute"),
        "minutes": _("minutes"),
        "missed": _("missed"),
        "missing": _("missing"),
        "mode": _("mode"),
        "model": _("model"),
        "models": _("models"),
        "models_to_retrain": _("models_to_retrain"),
        "name": _("name"),
        "needed": _("needed"),
        "new": _("new"),
        "next": _("next"),
        "ok": _("ok"),
        "on": _("on"),
        "open": _("open"),
        "other_projects": _("other_projects"),
        "out": _("out"),
        "owner": _("owner"),
        "p": _("p"),
        "p50_ms": _("p50_ms"),
        "p99_ms": _("p99_ms"),
        "pairs": _("pairs"),
        "parameters": _("parameters"),
        "parent": _("parent"),
        "parents": _("parents"),
        "parity": _("parity"),
        "path": _("path"),
        "people": _("people"),
        "planted": _("planted"),
        "policies": _("policies"),
        "policy": _("policy"),
        "policy_digest": _("policy_digest"),
        "precision": _("precision"),
        "precision_high": _("precision_high"),
        "precision_low": _("precision_low"),
        "presidio": _("presidio"),
        "previous": _("previous"),
        "progress": _("progress"),
        "project": _("project"),
        "purged": _("purged"),
        "quasi_identifying": _("quasi_identifying"),
        "queue_texts": _("queue_texts"),
        "queued": _("queued"),
        "ran": _("ran"),
        "random_key": _("random_key"),
        "read": _("read"),
        "reason": _("reason"),
        "reasons": _("reasons"),
        "recall": _("recall"),
        "receiver": _("receiver"),
        "receivers": _("receivers"),
        "records": _("records"),
        "rejected": _("rejected"),
        "release": _("release"),
        "releases": _("releases"),
        "removed": _("removed"),
        "report": _("report"),
        "requests": _("requests"),
        "reserve_bytes": _("reserve_bytes"),
        "revealed": _("revealed"),
        "review": _("review"),
        "reviewed": _("reviewed"),
        "revoked": _("revoked"),
        "risk": _("risk"),
        "role": _("role"),
        "roles": _("roles"),
        "rounds": _("rounds"),
        "row": _("row"),
        "rows": _("rows"),
        "rows_below_k": _("rows_below_k"),
        "rules": _("rules"),
        "sample": _("sample"),
        "saved": _("saved"),
        "score": _("score"),
        "seconds": _("seconds"),
        "seed": _("seed"),
        "sentence": _("sentence"),
        "sequence": _("sequence"),
        "settings": _("settings"),
        "sha256": _("sha256"),
        "shadow": _("shadow"),
        "shape": _("shape"),
        "signer": _("signer"),
        "since": _("since"),
        "size_bytes": _("size_bytes"),
        "size_ratio": _("size_ratio"),
        "sizes": _("sizes"),
        "skipped": _("skipped"),
        "source": _("source"),
        "split": _("split"),
        "splits": _("splits"),
        "stage": _("stage"),
        "stages": _("stages"),
        "state": _("state"),
        "step": _("step"),
        "steps": _("steps"),
        "strays": _("strays"),
        "subjects": _("subjects"),
        "submitted": _("submitted"),
        "suggestions": _("suggestions"),
        "suspects": _("suspects"),
        "tagger": _("tagger"),
        "taggers": _("taggers"),
        "target": _("target"),
        "task": _("task"),
        "texts": _("texts"),
        "time": _("time"),
        "to": _("to"),
        "token": _("token"),
        "truncated": _("truncated"),
        "unit": _("unit"),
        "used_bytes": _("used_bytes"),
        "uses": _("uses"),
        "valid_days": _("valid_days"),
        "validation": _("validation"),
        "value": _("value"),
        "values": _("values"),
        "variants": _("variants"),
        "verb": _("verb"),
        "verdict": _("verdict"),
        "version": _("version"),
        "waiting": _("waiting"),
        "wanted_k": _("wanted_k"),
        "warning": _("warning"),
        "warnings": _("warnings"),
        "weights_sha256": _("weights_sha256"),
        "why": _("why"),
        "windows": _("windows"),
        "withdrawn": _("withdrawn"),
        "would_erase": _("would_erase"),
        "would_remove": _("would_remove"),
        "wrong": _("wrong"),
    }


def _told(key: str, value: Any, labels: Mapping[str, str]) -> str:
    """A value under its key; the names inside it are in the reader's language where they are ours, not a data set's."""
    if key in _OURS and isinstance(value, Mapping):
        return ", ".join(f"{labels.get(name, name)} {_told(name, item, labels)}" for name, item in value.items()) or "-"
    return _cell(value)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping) and "step" in value and "done" in value:
        return f"{value['step']} {value['done']:,}" + (f"/{value['total']:,}" if value.get("total") else "")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "-"
    if isinstance(value, list):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
    return "-" if value is None else str(value)


class Progress:
    """A line on stderr: rewritten in place on a terminal, a new line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._begin = self._last = time.monotonic()
        self._step = ""

    def __call__(self, step: str, done: int, total: int | None, numbers: dict[str, float]) -> None:
        """Show `done` of `total` of a step, the numbers, and the time left at the present pace."""
        moment = time.monotonic()
        if step != self._step:
            self._step, self._begin = step, moment
        elif moment - self._last < (0.2 if self._terminal else 10):
            return
        self._last = moment
        parts = [f"{step} {done:,}" + (f"/{total:,}" if total else "")]
        parts += [f"{name} {value:.4g}" for name, value in numbers.items()]
        if total and done and "seconds_left" not in numbers:
            parts.append(_("{seconds} s left", seconds=round((moment - self._begin) / done * (total - done))))
        line = "  ".join(parts)
        if self._terminal:
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._step:
            print(file=sys.stderr)
