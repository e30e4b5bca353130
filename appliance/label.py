"""The verbs `skerry label ...`: each part of the labeling loop has its own, and the work stands in `labeling/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from appliance.errors import InputError, SettingsError
from appliance.reasons import reason
from appliance.verbs import Json, Project, open_store, say, show
from appliance.words import _

label_app = typer.Typer(
    help=_("Labeling: ask people only what the model needs to know, and measure what that saved."), no_args_is_help=True
)

Task = Annotated[str, typer.Argument(help=_("Name of the labeling task."))]


# -- tasks -------------------------------------------------------------------------------------------------------------


@label_app.command("create", help=_("Make a labeling task over a scrubbed or curated data set."))
def create(
    task: Task,
    dataset: Annotated[str, typer.Option("--dataset", help=_("NAME or NAME@ID of a scrubbed or curated data set."))],
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help=_("A label, or LABEL=标签 with its Chinese name; can be given again.")),
    ] = None,
    labels_from: Annotated[
        Path | None, typer.Option("--labels-from", help=_("File with one label a line, as for `--label`."))
    ] = None,
    kind: Annotated[
        Literal["single", "multi", "spans"],
        typer.Option("--kind", help=_("single: one label a record; multi: any number; spans: stretches of the text.")),
    ] = "single",
    guidelines: Annotated[
        Path | None, typer.Option("--guidelines", help=_("Text or Markdown file that stands beside each record."))
    ] = None,
    overlap: Annotated[
        float, typer.Option("--overlap", help=_("Share of the records that two people answer, 0 to 1."))
    ] = 0.1,
    gold_share: Annotated[
        float, typer.Option("--gold-share", help=_("Share of a person's records whose answer is known, 0 to 1."))
    ] = 0.05,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import create_task

    store = open_store(project)
    over = store.dataset(dataset)
    names = [*(label or ()), *(_lines(labels_from) if labels_from else ())] or [*over.meta.get("labels", ())]
    if not names:
        raise SettingsError(_("name the labels: `--label NAME`, or a file of them with `--labels-from`"))
    written = _text(guidelines) if guidelines else ""
    made = create_task(store, task, over, kind, map(_label, names), written, overlap, gold_share)
    show({"task": made.name, "dataset": over.reference, "kind": kind, "labels": len(made.choices)}, json)


@label_app.command("list", help=_("List the labeling tasks."))
def list_(project: Project = "main", json: Json = False) -> None:
    from appliance.annotations import progress, tasks

    store = open_store(project)
    counted = [(one, progress(store, one.name)) for one in tasks(store)]
    rows = [{"task": one.name, "kind": one.kind, "labels": len(one.choices), **_brief(counts)} for one, counts in counted]  # fmt: skip
    show({"tasks": rows}, json)


@label_app.command("show", help=_("Show a labeling task: its labels, how far it is, who has answered."))
def show_(task: Task, project: Project = "main", json: Json = False) -> None:
    from appliance.annotations import progress
    from appliance.annotations import task as find

    store = open_store(project)
    found = find(store, task)
    labels = [{"id": one.id, "name": one.name, "chinese": one.chinese, "target": one.target} for one in found.choices]
    about = {"task": task, "kind": found.kind, "dataset": found.dataset[:12], "created": found.created}
    show(about | {"labels": labels} | progress(store, task), json)


def _brief(counts: dict[str, Any]) -> dict[str, Any]:
    return {key: counts[key] for key in ("queued", "open", "review", "submitted")}


def _lines(file: Path) -> list[str]:
    return [line for line in _text(file).split("\n") if line.strip()]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(_("cannot read `{file}`: {error}", file=file, error=reason(error))) from error


def _label(written: str) -> Any:
    from appliance.annotations import new_label

    name, _is, chinese = written.strip().partition("=")
    return new_label(name, chinese=chinese.strip())


# -- the page ----------------------------------------------------------------------------------------------------------


@label_app.command("serve", help=_("Serve the labeling page to people who were invited."))
def serve(
    host: Annotated[str | None, typer.Option("--host", help=_("Address to listen on."))] = None,
    port: Annotated[int | None, typer.Option("--port", help=_("Port; 0 = any free one."))] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help=_("Certificate, PEM."))] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help=_("Private key, PEM."))] = None,
    project: Project = "main",
) -> None:
    from appliance.settings import load
    from labeling.page import serve as answer

    settings = load(label={"host": host, "port": port}).label
    answer(open_store(project), settings.host, settings.port, tls_cert, tls_key)


@label_app.command("invite", help=_("Invite a person to the labeling page; the code is shown once."))
def invite(
    name: Annotated[str, typer.Argument(help=_("Name of the person."))],
    role: Annotated[
        Literal["annotator", "reviewer"],
        typer.Option("--role", help=_("A reviewer decides where people disagree, and may look at raw text.")),
    ] = "annotator",
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.web.people import invite as welcome

    store = open_store(project)
    person, code = welcome(store, name, role, store.settings.web)
    days = store.settings.web.invitation_days
    show({"name": person.name, "role": role, "code": code, "valid_days": days}, json)
    say(_("give the code to {name} alone: it works once, at `/join` of the labeling page", name=person.name))


@label_app.command("people", help=_("List who may enter the labeling page."))
def people(project: Project = "main", json: Json = False) -> None:
    from appliance.web.people import overview

    show({"people": overview(open_store(project))}, json)


@label_app.command("dismiss", help=_("Take a person's role away, at once; their answers stay."))
def dismiss(
    name: Annotated[str, typer.Argument(help=_("Name of the person."))], project: Project = "main", json: Json = False
) -> None:
    from appliance.web.people import remove

    show({"dismissed": remove(open_store(project), name).name}, json)
