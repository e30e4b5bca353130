"""The verbs `skerry label ...`: each part of the labeling loop has its own, and the work stands in `labeling/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from appliance.errors import InputError, SettingsError
from appliance.reasons import reason
from appliance.verbs import Background, Json, Project, job, open_store, say, show
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
    show({"task": made.name, "dataset": over.reference, "records": over.rows, "kind": kind, "labels": len(made.choices)}, json)  # fmt: skip


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
    from appliance.web.run import require_templates

    require_templates()
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

    store = open_store(project)
    show({"dismissed": remove(store, name, store.settings.web).name}, json)


# -- the loop ----------------------------------------------------------------------------------------------------------

Count = Annotated[
    int | None,
    typer.Option("--count", min=1, help=_("Records of one round; default: as many as there are labels, at least 20.")),
]
TrainedModel = Annotated[
    str | None, typer.Option("--model", help=_("Trained model that suggests and chooses in place of the fast head."))
]


@label_app.command(
    "next", help=_("Choose the records that people are asked about next, and let them wait in the queue.")
)
def next_(
    task: Task,
    count: Count = None,
    model: TrainedModel = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    arguments = {"task": task, "count": count, "model": model}
    job("label_next", arguments, project, json, background, brief=_round)


@label_app.command("seed", help=_("Put records that may have a rare label in front of the queue."))
def seed(
    task: Task,
    label: Annotated[str, typer.Option("--label", help=_("The rare label."))],
    keyword: Annotated[
        list[str] | None,
        typer.Option(
            "--keyword", help=_("Word that speaks for it; becomes a rule that suggests it. Can be given again.")
        ),
    ] = None,
    like: Annotated[
        list[str] | None, typer.Option("--like", help=_("Id of a record that has it; can be given again."))
    ] = None,
    example: Annotated[Path | None, typer.Option("--example", help=_("File with one example text a line."))] = None,
    count: Count = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    wanted = {
        "label": label,
        "words": keyword or [],
        "records": like or [],
        "examples": _lines(example) if example else [],
    }
    job("label_seed", {"task": task, "count": count} | wanted, project, json, background)


@label_app.command(
    "loop", help=_("Ask, wait for people, learn, and again, until asking more does not pay; then train.")
)
def loop(
    task: Task,
    count: Count = None,
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, help=_("Records that get a label in all; then the loop ends."))
    ] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help=_("Do not end when the advice is to stop."))] = False,
    model: TrainedModel = None,
    train: Annotated[
        str | None, typer.Option("--train", help=_("Name of a model to train on the labels in the end."))
    ] = None,
    method: Annotated[
        Literal["probe", "full"] | None,
        typer.Option(
            "--method", help=_("probe: linear on frozen embeddings; full: fine-tuning that starts from the probe.")
        ),
    ] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    arguments = {
        "task": task,
        "count": count,
        "budget": budget,
        "follow": not keep_going,
        "model": model,
        "name": train,
    }
    say(_("people answer at `skerry label serve`, or in Label Studio (`skerry label push {task}`)", task=task))
    job("label_loop", arguments | {"overrides": {"train": {"method": method}}}, project, json, background, brief=_ended)


def _round(found: dict[str, Any]) -> dict[str, Any]:
    """What a person reads of one round."""
    shown = ("task", "job", "state", "batch", "queued", "waiting", "labelled", "reasons", "suggestions")
    judged = ("accuracy", "low", "high", "sentence", "fell_back")
    return {key: found[key] for key in (*shown, *judged) if found.get(key) not in (None, "", {})}


def _ended(found: dict[str, Any]) -> dict[str, Any]:
    """What a person reads of the whole loop: its end, and a line a round."""
    columns = ("batch", "queued", "labelled", "accuracy", "low", "high", "gap")
    rounds = [{key: each.get(key) for key in columns} for each in found.get("rounds", ())]
    why = {
        "advice": _("asking more does not pay"),
        "budget": _("the budget is spent"),
        "all": _("nothing is left to ask"),
    }
    more = {key: found[key] for key in ("model", "dataset", "metrics") if found.get(key)}
    more |= {"ended": why[found["ended"]]} if found.get("ended") else {}
    return _round({key: value for key, value in found.items() if key not in ("reasons",)}) | more | {"rounds": rounds}


# -- answers -----------------------------------------------------------------------------------------------------------


@label_app.command("apply", help=_("Make a labelled data set of the answers, for `skerry train`."))
def apply(
    task: Task,
    name: Annotated[
        str | None, typer.Option("--name", help=_("Name of the labelled data set; default: that of the task's."))
    ] = None,
    no_test: Annotated[
        bool,
        typer.Option("--no-test", help=_("Learn from the records chosen at random, too; nothing is left to test on.")),
    ] = False,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    job("label_apply", {"task": task, "name": name, "test": not no_test}, project, json, background, stamp=_answered(project, task))  # fmt: skip


@label_app.command("agree", help=_("Tell how far people agree: in all, by label, by pair, by person, with intervals."))
def agree(
    task: Task,
    review: Annotated[
        bool, typer.Option("--review", help=_("Let the records that people disagree on wait for a reviewer."))
    ] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import task as find
    from labeling.agree import agree as measure
    from labeling.agree import ask_reviewers

    store = open_store(project)
    found = find(store, task)
    queued = {"for_review": ask_reviewers(store, found)} if review else {}
    show(measure(store, found) | queued, json)


@label_app.command("gold", help=_("Make questions whose answer is known, to see who answers right."))
def gold(
    task: Task,
    count: Annotated[
        int, typer.Option("--count", min=1, help=_("How many; of records that a reviewer or several people agree on."))
    ] = 20,
    share: Annotated[
        float | None,
        typer.Option("--share", help=_("Share of a person's records that they are, 0 to 1; default: as it was.")),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help=_("Seed of the choice."))] = 1,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import change_task
    from labeling.agree import make_gold

    store = open_store(project)
    found = change_task(store, task, **({} if share is None else {"gold_share": share}))
    made = make_gold(store, found, count, seed)
    show({"task": task, "gold": made, "gold_share": found.gold_share}, json)
    if not made:
        say(_("no more record is sure: a reviewer's answer is, and one that several people agree on; see `skerry label agree {task}`", task=task))  # fmt: skip


@label_app.command(
    "suspects", help=_("List the records whose label is most likely wrong, and let a reviewer look at them.")
)
def suspects(
    task: Task,
    count: Annotated[int, typer.Option("--count", min=1, help=_("How many at most."))] = 100,
    enqueued: Annotated[bool, typer.Option("--queue", help=_("Let them wait for a reviewer."))] = False,
    seed: Annotated[int, typer.Option("--seed", help=_("Seed of the choice."))] = 1,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    arguments = {"task": task, "count": count, "enqueued": enqueued, "seed": seed}
    job("label_suspects", arguments, project, json, background, stamp=_answered(project, task))


@label_app.command("export", help=_("Write the answers to a file: .jsonl, .csv, or .json of Label Studio."))
def export(
    task: Task,
    file: Annotated[Path, typer.Argument(help=_("The file to write."))],
    text: Annotated[bool, typer.Option("--text", help=_("The scrubbed texts, too."))] = False,
    suggestions: Annotated[bool, typer.Option("--suggestions", help=_("What models and rules suggest, too."))] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import task as find
    from labeling.exchange import export_answers

    store = open_store(project)
    show(export_answers(store, find(store, task), file, text, suggestions), json)


@label_app.command("import", help=_("Take in answers from a file: .jsonl, .csv, or .json of Label Studio."))
def import_(
    task: Task,
    file: Annotated[Path, typer.Argument(help=_("The file; a row names its record by `record`, `row` or `text`."))],
    annotator: Annotated[
        str, typer.Option("--annotator", help=_("Who answered, where a row does not say."))
    ] = "import",
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import task as find
    from labeling.exchange import import_answers

    store = open_store(project)
    show(import_answers(store, find(store, task), file, annotator), json)


# -- labels ------------------------------------------------------------------------------------------------------------


@label_app.command("rename", help=_("Give a label another name; its annotations stay."))
def rename(
    task: Task,
    label: Annotated[str, typer.Argument(help=_("The label."))],
    name: Annotated[str, typer.Argument(help=_("Its new name."))],
    chinese: Annotated[str | None, typer.Option("--chinese", help=_("Its new Chinese name."))] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import task as find
    from labeling.change import rename as change

    store = open_store(project)
    show(_labels(change(store, find(store, task), label, name, chinese)), json)


@label_app.command("merge", help=_("Let labels be one; their annotations stay and read as one of it."))
def merge(
    task: Task,
    labels: Annotated[list[str], typer.Argument(help=_("The labels that go."))],
    into: Annotated[str, typer.Option("--into", help=_("The label that stays."))],
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import task as find
    from labeling.change import merge as change

    store = open_store(project)
    show(_labels(change(store, find(store, task), labels, into)), json)


@label_app.command("split", help=_("Let a label come apart; its records are asked about again."))
def split(
    task: Task,
    label: Annotated[str, typer.Argument(help=_("The label that goes."))],
    names: Annotated[list[str], typer.Argument(help=_("The labels that it comes apart into."))],
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.annotations import task as find
    from labeling.change import split as change

    store = open_store(project)
    changed, waiting = change(store, find(store, task), label, names)
    show(_labels(changed) | {"queued": waiting}, json)


def _labels(task: Any) -> dict[str, Any]:
    return {"task": task.name, "labels": [{"id": one.id, "name": one.name, "chinese": one.chinese} for one in task.choices]}  # fmt: skip


def _answered(project: str, task: str) -> Any:
    # new answers make a new job
    from appliance.annotations import progress

    return progress(open_store(project), task)["people"]


# -- Label Studio ------------------------------------------------------------------------------------------------------


@label_app.command(
    "push", help=_("Send records, suggestions and answers to Label Studio; what was answered there comes back first.")
)
def push(
    task: Task,
    url: Annotated[
        str | None, typer.Option("--url", help=_("Address of Label Studio, the first time: http://HOST:PORT."))
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help=_("File with an access token of Label Studio; it is kept sealed.")),
    ] = None,
    language: Annotated[
        Literal["en", "zh"] | None,
        typer.Option("--language", help=_("Language of the labeling screen; default: yours.")),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=_("Every record of the data set, not only those that wait in the queue."))
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help=_("Make a new project there; one from before is left as it is."))
    ] = False,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.words import language as spoken
    from labeling.studio import link_task

    link_task(open_store(project), task, url, _secret(token_file), language or spoken(), anew)
    _exchange("push", {"task": task, "everything": everything}, project, json, background)


@label_app.command("pull", help=_("Fetch what people answered, changed and deleted in Label Studio."))
def pull(
    task: Task,
    everything: Annotated[bool, typer.Option("--all", help=_("Look at everything, not only at what changed."))] = False,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    _exchange("pull", {"task": task, "everything": everything}, project, json, background)


@label_app.command("backend", help=_("Answer Label Studio: its webhooks, and as its ML backend with a model of yours."))
def backend(
    task: Task,
    model: Annotated[str, typer.Option("--model", help=_("Name of the model that answers and that is trained anew."))],
    host: Annotated[str, typer.Option("--host", help=_("Address to listen on."))] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help=_("Port; 0 = any free one."))] = 9090,
    url: Annotated[
        str, typer.Option("--url", help=_("Address at which Label Studio reaches this one; default: where it listens."))
    ] = "",
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help=_("Certificate, PEM."))] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help=_("Private key, PEM."))] = None,
    project: Project = "main",
) -> None:
    from appliance import jobs
    from labeling.backend import Backend, serve

    store = open_store(project)

    def train(answers: str) -> dict[str, Any]:
        arguments = {"task": task, "name": model, "answers": answers}
        return jobs.run(store, "label_train", "appliance.pipeline:label_train", arguments, background=True)

    say(_("trainings wait for `skerry work`"))
    serve(Backend(store, task, model, train), host, port, tls_cert, tls_key, url)


def _exchange(verb: str, arguments: dict[str, Any], project: str, json: bool, background: bool) -> None:
    from appliance import jobs
    from appliance.verbs import with_progress

    store, entry = open_store(project), f"labeling.studio:{verb}"
    result = with_progress(
        lambda report: jobs.run(store, f"label_{verb}", entry, arguments, background=background, report=report)
    )
    show(result, json)


def _secret(file: Path | None) -> str | None:
    if file is None:
        return None
    lines = _lines(file)
    if len(lines) != 1:
        raise InputError(_("`{file}` must hold one line, the token", file=file))
    return lines[0].strip()


# -- what choosing would have saved ------------------------------------------------------------------------------------


@label_app.command(
    "simulate", help=_("Run the loop against the labels that a data set has: what choosing would have saved.")
)
def simulate(
    dataset: Annotated[str, typer.Argument(help=_("NAME or NAME@ID of a labelled data set, scrubbed or curated."))],
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy", help=_("How records are chosen: cluster-margin, margin, typiclust, kmeans, random.")
        ),
    ] = "cluster-margin",
    count: Annotated[
        int | None,
        typer.Option(
            "--count", min=1, help=_("Records of one round; default: as many as there are labels, at least 20.")
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=200, help=_("Runs, each with a random order of its own."))
    ] = 10,
    noise: Annotated[
        float,
        typer.Option(
            "--noise", min=0, max=0.9, help=_("Share of the labels that are turned wrong at random, 0 to 0.9.")
        ),
    ] = 0.0,
    out: Annotated[
        Path | None, typer.Option("--out", help=_("Folder for `simulation.json` and the picture of the curves."))
    ] = None,
    project: Project = "main",
    json: Json = False,
    background: Background = False,
) -> None:
    wanted = {"dataset": dataset, "strategy": strategy, "count": count, "seeds": seeds, "noise": noise}
    folder = {"out": str(out.absolute())} if out else {}
    job("label_simulate", wanted | folder, project, json, background, brief=_brief_simulation)


def _brief_simulation(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if not key.startswith(("labels_", "random_labels_"))}
