"""What leaves the network: exactly what two people have allowed, and no word of few people in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from appliance import engine
from appliance.cli import app
from appliance.egress import egress as egress_module
from appliance.egress.egress import egress
from appliance.egress.package import unpack
from appliance.errors import InputError, PolicyError, SettingsError
from appliance.load import load
from appliance.schema import Record
from appliance.settings import EgressSettings
from appliance.signature import check_folder
from appliance.store import Store
from tests.appliance.egress.conftest import Site, people
from tests.appliance.test_load import SERVING_BOX


def set_to(site: Site, **values: Any) -> None:
    """Change the settings of `egress` in the site's open store."""
    settings = EgressSettings(**(site.store.settings.egress.model_dump() | values))
    site.store.settings = site.store.settings.model_copy(update={"egress": settings})


def take_out(site: Site, name: str, out: Path, **options: Any) -> dict[str, Any]:
    """Let two people allow the package and write it."""
    for owner in ("ann", "bo"):
        egress(site.store, name, None, secret=site.key(owner), **options)
    return egress(site.store, name, out, **options)


def opened(out: Path) -> Path:
    """Unpack a package; returns its folder."""
    unpack(out, out.with_suffix(".d"))
    return out.with_suffix(".d")


def test_nothing_leaves_before_two_owners_have_allowed_it(site: Site, tmp_path: Path) -> None:
    """The same owner's second key is no second person; the form is there to be read all the while."""
    site.model()
    out = tmp_path / "triage.tar"
    for owner, count in (("", 0), ("ann", 1), ("ann", 1)):
        if owner:
            told = egress(site.store, "triage", out, secret=site.key(owner))
            assert (told["waits"], told["approvals"], "out" in told) == (True, ["ann"], False)
        with pytest.raises(PolicyError, match=rf"waits for 2 owners .*, {count} so far"):
            egress(site.store, "triage", out)
        assert not out.exists()
        assert "Egress form" in (tmp_path / "triage.tar.form.html").read_text("utf-8")
    told = egress(site.store, "triage", out, secret=site.key("bo"))
    assert (told["approvals"], told["out"]) == (["ann", "bo"], str(out))
    assert out.exists()
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []
    assert list((site.store.home / "work" / "egress").iterdir()) == []


def test_an_approval_is_for_these_bytes_and_once(site: Site, tmp_path: Path) -> None:
    site.model()
    take_out(site, "triage", tmp_path / "one.tar")
    with pytest.raises(PolicyError, match="0 so far"):
        egress(site.store, "triage", tmp_path / "two.tar")
    egress(site.store, "triage", secret=site.key("ann"))
    assert egress(site.store, "triage")["approvals"] == ["ann"]
    site.model("onnx")
    assert egress(site.store, "triage")["approvals"] == []


def test_an_outsider_without_torch_takes_it_in_and_serves_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = site.model("torch")
    with site.store.draft(
        "model", "triage", parents=(trained.id,), meta={"format": "onnx-int8", "base": "tiny"}
    ) as draft:
        for path in site.folders["onnx-int8"].iterdir():
            (draft.folder / path.name).write_bytes(path.read_bytes())
    told = take_out(site, trained.reference, tmp_path / "triage.tar", serve_only=True)
    registered = site.store.model("triage-egress")
    monkeypatch.setenv("SKERRY_HOME", str(tmp_path / "edge"))

    def skerry(*arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-c", SERVING_BOX, *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    assert skerry("load", str(tmp_path / "triage.tar"), "--signer", told["signer"])["model"].endswith(
        registered.id[:12]
    )
    assert skerry("promote", "triage")["version"] == registered.id[:12]


@pytest.mark.parametrize("form", ["torch", "onnx", "onnx-int8", "ngrams"])
def test_each_format_leaves_and_answers(site: Site, tmp_path: Path, form: str) -> None:
    """The files are those of its format, its cards and a list signed by the site; the labels are the same."""
    if form == "ngrams":
        set_to(site, max_drop=0.99)  # its answers mean nothing
    model = site.model(form)
    told = take_out(site, "triage", tmp_path / "triage.tar")
    _signer, files = check_folder(opened(tmp_path / "triage.tar"), told["signer"])
    cards = {"about.json", "card.json", "card.md", "data.json", "data.md"}
    there = {path.name for path in site.folders[form].iterdir()} - {"base.json"}
    assert set(files) == there | cards
    after = engine.load(tmp_path / "triage.d")
    assert after.labels == engine.load(model.folder).labels or form == "ngrams"
    assert np.isfinite(after.logits(["my card does not work , what about the pin ?"])).all()


def test_the_event_stands_before_the_file_and_names_no_text(site: Site, tmp_path: Path) -> None:
    model = site.model()
    told = take_out(site, "triage", tmp_path / "triage.tar")
    event = next(item for item in reversed(site.store.events()) if item.verb == "egress")
    assert event.details == {"package": told["package"], "owners": ["ann", "bo"], "kind": "model"}
    assert event.artifacts == (site.store.model("triage-egress").id, model.id)


def test_no_event_no_package(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.model()
    for owner in ("ann", "bo"):
        egress(site.store, "triage", secret=site.key(owner))

    def full(self: Store, verb: str, *_arguments: Any, **_details: Any) -> None:
        raise PolicyError(f"no room for {verb}")

    monkeypatch.setattr(Store, "event", full)
    with pytest.raises(PolicyError, match="no room for egress"):
        egress(site.store, "triage", tmp_path / "triage.tar")
    assert [path.name for path in tmp_path.glob("*triage*")] == ["triage.tar.form.html"]


def planted(site: Site) -> list[bytes]:
    """What must not be in a package: texts, ids, subjects, paths, the data set's name with its id."""
    records = list(site.store.records(site.dataset))
    words = [record.text for record in records] + [record.id for record in records]
    words += [record.subject or "" for record in records] + [site.dataset.reference, site.dataset.id[:12]]
    return [word.encode() for word in [*words, str(site.store.home), "optimizer", "calibration"]]


@pytest.mark.parametrize("form", ["torch", "onnx-int8"])
def test_a_package_holds_nothing_of_what_was_planted(site: Site, tmp_path: Path, form: str) -> None:
    """Notes in the ONNX file, the tokenizer, the config and the card, and files beside the model: none of it travels."""
    folder = tmp_path / "model"
    folder.mkdir()
    secret = next(iter(site.store.records(site.dataset)))
    note = f"{secret.text} {secret.id} {site.store.home} optimizer"
    for path in site.folders[form].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = json.loads((folder / "tokenizer.json").read_bytes())
    content["model"]["note"] = note
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    if form == "onnx-int8":
        import onnx

        model = onnx.load(folder / "model.onnx")
        model.doc_string = model.graph.doc_string = model.graph.node[0].doc_string = note
        model.graph.initializer[0].doc_string = note
        onnx.helper.set_model_props(model, {"calibration": note})
        onnx.save(model, folder / "model.onnx")
    else:
        from safetensors.torch import load_file, save_file

        content = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps(content | {"_name_or_path": note}), "utf-8")
        save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", metadata={"note": note})
    site.folders[form], before = folder, site.folders[form]
    try:
        model = site.model(form)
    finally:
        site.folders[form] = before
    card = {"hardware": note, "data": {"dataset": site.dataset.reference}, "training": {"settings": {"base": note}}}
    (model.folder / "card.json").write_text(json.dumps(card))
    (model.folder / "optimizer.pt").write_bytes(b"optimizer")
    take_out(site, "triage", tmp_path / "triage.tar")
    written = (tmp_path / "triage.tar").read_bytes()
    assert b"tokenizer.json" in written
    assert [word for word in planted(site) if word in written] == []


def few(records: list[Record], label: str, many: int) -> list[Record]:
    """Give all but the first `many` training records of a label another one."""
    result, seen = [], 0
    for record in records:
        if record.label == label and record.split != "test":
            seen += 1
        result.append(replace(record, label="card") if record.label == label and seen > many else record)
    return result


@pytest.mark.parametrize("form", ["torch", "onnx", "onnx-int8"])
def test_a_label_of_nine_people_is_dropped_with_its_weights(
    make_site: Callable[[list[Record]], Site], tmp_path: Path, form: str
) -> None:
    """The other labels' logits stay what they were; of ten people it stays."""
    site = make_site(few(people(120), "account", 9))
    set_to(site, max_drop=0.99)
    model = site.model(form)
    told = take_out(site, "triage", tmp_path / "triage.tar")
    assert told["labels_dropped"] == 1
    folder = opened(tmp_path / "triage.tar")
    assert b"account" not in b"".join((folder / name).read_bytes() for name in ("model.json", "about.json", "card.json", "card.md", "data.json", "data.md"))  # fmt: skip
    texts = [record.text for record in people(20)]
    before, after = engine.load(model.folder), engine.load(folder)
    assert after.labels == ("card", "transfer")
    np.testing.assert_allclose(after.logits(texts), before.logits(texts)[:, :2], atol=0.05)


def test_a_label_of_ten_people_stays(make_site: Callable[[list[Record]], Site]) -> None:
    site = make_site(few(people(120), "account", 10))
    set_to(site, max_drop=0.99)
    site.model()
    assert egress(site.store, "triage")["labels_dropped"] == 0


def test_a_site_may_refuse_instead_of_dropping(make_site: Callable[[list[Record]], Site]) -> None:
    site = make_site(few(people(120), "account", 9))
    set_to(site, rare="refuse")
    site.model()
    with pytest.raises(PolicyError, match="1 of its labels stand in the records of fewer than 10 people"):
        egress(site.store, "triage")


def test_too_much_accuracy_lost_is_refused(site: Site) -> None:
    """Without the words of few people the random model of n-grams answers otherwise; a trained one says what to do next."""
    set_to(site, vocabulary="seen", max_drop=0.0)
    site.model()
    try:
        told = egress(site.store, "triage")
    except PolicyError as error:
        assert "egress.max_drop" in str(error) and "skerry compress" in str(error)
    else:
        assert told["drop"] <= 1 / told["rows"]


def test_models_of_unknown_or_unscrubbed_origin_stay(site: Site) -> None:
    """So do raw sets, reports and what `compress` refused."""
    raw = next(item for item in site.store.artifacts("dataset") if item.stage == "raw")
    for parents, said in (((), "the records that it learned from are gone"), ((raw.id,), "without a scrub")):
        with site.store.draft("model", f"odd{len(parents)}", parents=parents, meta={"format": "onnx"}) as draft:
            (draft.folder / "model.json").write_text(f"{len(parents)}")
        with pytest.raises(PolicyError, match=said):
            egress(site.store, draft.artifact.name)
    with pytest.raises(PolicyError, match="is raw and stays inside"):
        egress(site.store, raw.reference)
    meta = {"format": "onnx", "compressed": {"verdict": "refused"}}
    with site.store.draft("model", "small", parents=(site.dataset.id,), meta=meta) as draft:
        (draft.folder / "model.json").write_text("{}")
    with pytest.raises(PolicyError, match="was refused"):
        egress(site.store, "small")
    with site.store.draft("report", "figures") as draft:
        (draft.folder / "report.json").write_text("{}")
    with pytest.raises(InputError, match="is a report"):
        egress(site.store, "figures")


def test_a_model_whose_records_were_erased_stays(site: Site) -> None:
    site.model()
    site.store.bury(site.dataset, "erase")
    with pytest.raises(PolicyError, match="nobody can tell whose words it holds"):
        egress(site.store, "triage")


def test_a_label_that_is_somebody_stays(make_site: Callable[[list[Record]], Site]) -> None:
    records = [replace(record, label="anna.muster@example.org") if record.label == "account" else record for record in people(60)]  # fmt: skip
    site = make_site(records)
    with pytest.raises(PolicyError, match="1 of its names and labels hold personal data"):
        egress(site.store, "tickets")


def test_labels_leave_as_names_and_rounded_counts(make_site: Callable[[list[Record]], Site], tmp_path: Path) -> None:
    site = make_site([*people(60), replace(people(1)[0], label="rare disease")])
    told = take_out(site, "tickets", tmp_path / "labels.tar")
    assert (told["kind"], told["labels"], told["labels_dropped"]) == ("labels", 3, 1)
    _signer, files = check_folder(opened(tmp_path / "labels.tar"), told["signer"])
    assert sorted(files) == ["data.json", "data.md", "labels.json"]
    folder = tmp_path / "labels.d"
    assert json.loads((folder / "labels.json").read_text("utf-8")) == {"labels": ["account", "card", "transfer"]}
    data = json.loads((folder / "data.json").read_text("utf-8"))
    assert data["labels"] == {"account": 20, "card": 20, "transfer": 20}
    written = (tmp_path / "labels.tar").read_bytes()
    assert [word for word in [*planted(site), b"rare disease"] if word in written] == []


def test_the_package_is_the_same_whoever_makes_it(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers of different languages allow the same bytes."""
    site.model()
    english = egress(site.store, "triage")["package"]
    monkeypatch.setenv("SKERRY_LANG", "zh")
    assert egress(site.store, "triage")["package"] == english


def test_nothing_is_written_over(site: Site, tmp_path: Path) -> None:
    (tmp_path / "triage.tar").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        egress(site.store, "triage", tmp_path / "triage.tar")


def test_the_verb_takes_the_key_from_the_environment(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.model()
    command = ["egress", "triage", "--out", str(tmp_path / "triage.tar"), "--approve", "--json"]
    assert isinstance(CliRunner().invoke(app, command).exception, SettingsError)
    for owner, waits in (("ann", True), ("bo", False)):
        monkeypatch.setenv("SKERRY_API_KEY", site.key(owner))
        done = CliRunner().invoke(app, command)
        assert json.loads(done.stdout)["waits"] is waits
    assert json.loads(done.stdout)["approvals"] == ["ann", "bo"]
    with tarfile.open(tmp_path / "triage.tar") as archive:
        assert {member.uid for member in archive} == {0}


def test_a_changed_package_is_not_taken_in(site: Site, tmp_path: Path) -> None:
    site.model()
    told = take_out(site, "triage", tmp_path / "triage.tar")
    content = bytearray((tmp_path / "triage.tar").read_bytes())
    place = content.index(b"input_ids")
    content[place : place + 9] = b"input_idz"
    (tmp_path / "triage.tar").write_bytes(content)
    other = Store.open(tmp_path / "edge")
    with pytest.raises(Exception, match="not what was signed"):
        load(other, tmp_path / "triage.tar", told["signer"])
    assert other.artifacts() == []


def test_approvals_that_somebody_else_uses_meanwhile_are_gone(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two who write the package at the same time one gets it; the other one's approvals are spent when the lock opens."""
    site.model()
    for owner in ("ann", "bo"):
        egress(site.store, "triage", None, secret=site.key(owner))
    sign = egress_module.sign_folder

    def meanwhile(*arguments: Any) -> str:
        monkeypatch.setattr(egress_module, "sign_folder", sign)
        egress(site.store, "triage", tmp_path / "first.tar")
        return sign(*arguments)

    monkeypatch.setattr(egress_module, "sign_folder", meanwhile)
    with pytest.raises(PolicyError, match="0 so far"):
        egress(site.store, "triage", tmp_path / "second.tar")
    assert [path.name for path in tmp_path.glob("*.tar")] == ["first.tar"]
