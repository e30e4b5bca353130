"""What the verbs of the command line share: their common options, the store, a job with its progress, how a result is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from appliance.words import _

if TYPE_CHECKING:
    from appliance.store import Store

Project = Annotated[str, typer.Option("--project", help=_("The project everything belongs to."))]
Json = Annotated[bool, typer.Option("--json", help=_("Print one JSON object on stdout."))]
Background = Annotated[bool, typer.Option("--background", help=_("Only queue the job; `skerry work` runs it."))]


def open_store(project: str) -> Store:
    """Open the home seen from a project."""
    from appliance.store import Store

    return Store.open(project=project)


def job(
    verb: str,
    arguments: dict[str, Any],
    project: str,
    json: bool,
    background: bool,
    stamp: Any = None,
    brief: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """Run the story `appliance.pipeline:VERB` as a durable job with its progress, show its result and return it.

    `stamp` is what must be unchanged for an unfinished job of the same arguments to go on; `brief` cuts the result down to what a person reads.
    """
    from appliance import jobs

    store = open_store(project)
    result = with_progress(
        lambda report: jobs.run(
            store, verb, f"appliance.pipeline:{verb}", arguments, stamp=stamp, background=background, report=report
        )
    )
    show(result if json else brief(result), json)
    return result


def with_progress(work: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Do work that tells how far it has come, and show that on stderr."""
    from appliance.jobs import reporter
    from appliance.show import Progress

    progress = Progress()
    token = reporter.set(progress)
    try:
        return work(progress)
    finally:
        reporter.reset(token)
        progress.end()


def stamp(files: list[Path]) -> list[list[int]]:
    """Return size and time of each input, so that a changed file makes a new job."""
    inside = [item for file in files for item in (sorted(file.rglob("*")) if file.is_dir() else [file])]
    return [[item.stat().st_size, item.stat().st_mtime_ns] for item in inside if item.exists()]


def show(result: dict[str, Any], json: bool) -> None:
    """Print a verb's result on stdout: one JSON object, or aligned lines."""
    from appliance.show import show as print_result

    print_result(result, json)


def say(message: str) -> None:
    """Print a line for the person at the terminal on stderr."""
    from appliance.show import say as print_line

    print_line(message)
