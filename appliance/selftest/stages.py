"""What the self-test runs: the one list of stages, each in a process of its own (`python -m appliance.selftest.stages NAME`).

A stage goes through the same jobs as the command line, on the data of `samples`, in the home that `SKERRY_HOME` names. It returns
counts and names; a stage that fails raises.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from appliance import engine, environment
from appliance.base.folder import bases, bases_folder, verify
from appliance.doctor import EXTRAS, checks
from appliance.errors import ApplianceError, IntegrityError
from appliance.jobs import run
from appliance.schema import Model
from appliance.selftest import samples
from appliance.settings import home_folder, load
from appliance.store import Store
from appliance.words import _

__all__ = ["STAGES", "Stage", "absent"]

_NAME = "selftest"
_ADDRESS = re.compile(r"http://[0-9.]+:[0-9]+")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its name, the extras without which it is absent, its work."""

    name: str
    extras: tuple[str, ...]
    work: Callable[[Store], dict[str, Any]]


def install_check(store: Store) -> dict[str, Any]:
    """What the machine needs is there, every file of Skerry is the one that was installed, every base model is whole."""
    for check in checks():
        if check["needed"] and not check["ok"]:
            raise IntegrityError(_("check `{name}`: {next}", name=check["name"], next=check["next"]))
    whole = [verify(folder)["name"] for folder in _bases()]
    return {"files": _installed_files(), "bases": whole, "events": store.audit()["events"]}


def _installed_files() -> int:
    """Hash the installed files against the wheel's RECORD (packaging.python.org, "Recording installed projects"); return how many.

    A working tree has no wheel, so that few files are counted there, or none.
    """
    try:
        files = [file for file in distribution("skerry").files or () if file.hash]
    except PackageNotFoundError:
        return 0
    for file in files:
        path = Path(str(file.locate()))
        found = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
        if not file.hash or found.rstrip(b"=").decode() != file.hash.value:
            raise IntegrityError(
                _("`{path}` is not the file that was installed; install this version again", path=path)
            )
    return len(files)


def ingest(store: Store) -> dict[str, Any]:
    """Messages come in whole."""
    file = store.home.parent / "messages.csv"
    written = samples.messages(file)
    options = {"text_column": "text", "label_column": "label", "language": "auto"}
    result = _job(store, "ingest", files=[str(file)], name=_NAME, options=options)
    if result["rows"] != written:
        raise IntegrityError(_("{written} rows went in and {rows} came out", written=written, rows=result["rows"]))
    return {"rows": result["rows"]}


def scrub(store: Store) -> dict[str, Any]:
    """No planted value is left in the text."""
    result = _job(store, "scrub", dataset=_NAME)
    text = "\n".join(record.text for record in store.records(store.dataset(_NAME)))
    left = sum(value in text for value in samples.PLANTED)
    if left:
        raise IntegrityError(
            _("{left} of {planted} planted values are still in the text", left=left, planted=len(samples.PLANTED))
        )
    return {
        "rows": result["rows"],
        "findings": sum(result["findings"].values()),
        "planted": len(samples.PLANTED),
        "left": 0,
    }


def train(store: Store) -> dict[str, Any]:
    """Each installed encoder learns; where there is none, a two-layer one with random weights stands in."""
    _job(store, "curate", dataset=_NAME, overrides={"curate": {"split": "0.6/0.2/0.2"}})
    encoders = [folder.name for folder in _bases("encoder")]
    built_in = not encoders
    if built_in:
        encoders = [samples.tiny_base(bases_folder(load().bases, home_folder()) / "tiny").name]
    for base in encoders:
        overrides = {"train": {"base": base, "method": "full", "epochs": 1.0, "max_tokens": 64}}
        _job(store, "train", dataset=_NAME, name=f"{_NAME}-{base}", overrides=overrides)
    return {"bases": encoders, "built_in_base": built_in}


def export(store: Store) -> dict[str, Any]:
    """Each trained model becomes an int8 one that answers like it."""
    agreement = {}
    for model in _models(store, "torch"):
        # a model of so few rows is unsure of many texts: this stage shows that export works, not how good the model is
        result = _job(
            store, "export", model=model.reference, overrides={"export": {"min_agreement": 0.5, "max_drop": 0.5}}
        )
        agreement[model.name] = result["parity"]["agreement"]
    return {"agreement": agreement}


def serve(store: Store) -> dict[str, Any]:
    """The server gives the answer that the model gives, and stops when told to."""
    portable = [model for model in _models(store) if model.format != "torch"]
    model = portable[-1] if portable else _built_in_model(store)
    _job(store, "promote", model=model.reference, name=_NAME)
    text = "my bank card"
    answer, code = _ask(json.dumps({"inputs": [text], "model": _NAME}).encode())
    expected = engine.load(model.folder).predict([text])[0]
    if answer["predictions"][0]["label"] != expected.label or code:
        raise IntegrityError(_("the server did not give the model's answer, or ended with exit code {code}", code=code))
    return {"built_in_model": not portable, "answers": 1}


def _built_in_model(store: Store) -> Model:
    with store.draft("model", _NAME, meta={"format": "onnx"}) as draft:
        samples.bag_of_words(draft.folder)
    model: Model = draft.artifact
    return model


def _ask(body: bytes) -> tuple[dict[str, Any], int]:
    """Start a server, send it one request, stop it; return its answer and its exit code."""
    command = [sys.executable, "-m", "appliance.cli", "serve", "--no-auth", "--port", "0"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            address = next((found[0] for line in server.stderr if (found := _ADDRESS.search(line))), None)
            if address is None:
                raise IntegrityError(_("the server did not start"))
            _wait_until_ready(server, f"{address}/v2/health/ready", opener)
            kind = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}/v1/predict", body, kind)  # noqa: S310 - our own server
            with opener.open(request, timeout=60) as response:
                answer: dict[str, Any] = json.loads(response.read())
        finally:
            server.send_signal(signal.SIGTERM)
        return answer, server.wait(timeout=60)


def _wait_until_ready(server: subprocess.Popen[str], address: str, opener: urllib.request.OpenerDirector) -> None:
    while True:
        try:
            opener.open(address, timeout=5).close()
        except OSError as error:
            try:
                server.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise IntegrityError(_("the server did not start")) from error
        return


# The one list. A stage that comes with a later part of the product is added here; one whose extras are missing is listed as absent.
STAGES = (
    Stage("install-check", (), install_check),
    Stage("ingest", ("data",), ingest),
    Stage("scrub", ("data", "privacy"), scrub),
    Stage("train", ("data", "privacy", "train"), train),
    Stage("export", ("data", "privacy", "train", "export", "cpu"), export),
    Stage("serve", ("cpu",), serve),
)


def absent(stage: Stage) -> str | None:
    """Return why this installation lacks the stage, None where it has it."""
    missing = [extra for extra in stage.extras if importlib.util.find_spec(EXTRAS[extra]) is None]
    return _("not in this installation: extra {extras}", extras=", ".join(missing)) if missing else None


def _bases(kind: str | None = None) -> list[Path]:
    folder = bases_folder(load().bases, home_folder())
    return [folder / row["name"] for row in bases(folder) if row["installed"] and kind in (None, row["kind"])]


def _models(store: Store, form: str | None = None) -> list[Model]:
    return [model for model in store.artifacts("model") if form in (None, model.format)]


def _job(store: Store, verb: str, **arguments: Any) -> dict[str, Any]:
    return run(store, verb, f"appliance.pipeline:{verb}", arguments)


def main() -> None:
    """Run the stage that the command line names; the last line of the output is its result as JSON."""
    os.umask(0o077)
    environment.clean()
    stage = next(stage for stage in STAGES if stage.name == sys.argv[1])
    try:
        result: dict[str, Any] = {"details": stage.work(Store.open())}
    except ApplianceError as error:
        result = {"reason": str(error)}
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit("reason" in result)  # as the command line ends: a worker thread may still be in a long call


if __name__ == "__main__":
    main()
