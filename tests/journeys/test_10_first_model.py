"""The first model: a file with personal data goes in, a live release that answers comes out, by one recipe or verb by verb."""

import json
from pathlib import Path

import pytest

from appliance import engine
from tests.journeys.site import PLANTED, Site, make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site at which the recipe has run once."""
    made = make_site(tmp_path_factory.mktemp("site"), method="full", epochs=2.0)
    (made.folder / "run.json").write_text(json.dumps(made.skerry("run", str(made.folder / "triage.toml"))))
    return made


def story(site: Site) -> dict[str, dict[str, object]]:
    found = json.loads((site.folder / "run.json").read_text())
    return {item["step"]: item for item in found["steps"]}


def test_the_recipe_ends_with_a_live_release(site: Site) -> None:
    releases = site.skerry("list", "releases")["releases"]
    assert [(item["release"], item["stage"]) for item in releases] == [("triage", "live")]


def test_the_counts_add_up(site: Site) -> None:
    steps = story(site)
    ingest, scrub, curate = steps["ingest"], steps["scrub"], steps["curate"]
    assert ingest["read"] == ingest["rows"] + ingest["rejected"] == 60
    assert scrub["rows"] + scrub["held_back"] == 60
    assert sum(curate["splits"].values()) == curate["rows"]


def test_every_planted_kind_is_found(site: Site) -> None:
    findings = story(site)["scrub"]["findings"]
    assert {"PERSON", "EMAIL", "PHONE", "ID_NUMBER", "BANK_CARD", "IBAN", "IP", "URL"} <= set(findings)


def test_the_scrubbed_set_holds_placeholders_and_no_planted_value(site: Site) -> None:
    site.run("save", str(story(site)["scrub"]["dataset"]), str(site.folder / "scrubbed.jsonl"))
    text = (site.folder / "scrubbed.jsonl").read_text("utf-8")
    assert "<PERSON_1>" in text
    assert [name for name, value in PLANTED.items() if value in text] == []


def test_the_model_that_serves_answers_in_python(site: Site) -> None:
    folder = Path(site.skerry("show", story(site)["export"]["model"])["path"])
    answer = engine.load(folder).predict(["my card and the pin"])[0]
    assert answer.label in {"card", "transfer", "account", "appointment", "medicine"}
    assert 0 < answer.score <= 1


def test_the_report_has_intervals_floors_and_a_picture(site: Site) -> None:
    found = story(site)["evaluate"]
    low, high = found["metrics"]["accuracy_low"], found["metrics"]["accuracy_high"]
    assert low <= found["metrics"]["accuracy"] <= high
    assert {"majority", "tfidf_svm"} <= set(found["floors"])
    assert {"report.json", "report.md", "confusion.png"} <= {path.name for path in Path(found["path"]).iterdir()}


def test_lineage_leads_from_the_release_back_to_the_file(site: Site) -> None:
    reference, seen = story(site)["export"]["model"], []
    while reference:
        parents = site.skerry("show", str(reference))["parents"]
        seen.append(str(reference).partition("@")[0])
        reference = parents[0] if parents else None
    assert len(seen) == 5  # int8 model, torch model, curated, scrubbed, raw


def test_the_chain_of_events_holds_and_every_byte_is_right(site: Site) -> None:
    assert site.skerry("audit", "verify")["ok"] and site.skerry("fsck", "--verify-data")["ok"]
    verbs = [event["verb"] for event in site.skerry("history")["events"]]
    assert {"ingest", "scrub", "curate", "train", "export", "evaluate", "promote"} <= set(verbs)


def test_the_same_story_verb_by_verb(tmp_path: Path) -> None:
    """Every step has a verb of its own, with the names of the contract."""
    site = make_site(tmp_path)
    columns = ["--label-column", "label", "--id-column", "ref", "--subject-column", "patient", "--keep-column", "ward"]
    raw = site.skerry("ingest", str(tmp_path / "messages.csv"), "--name", "notes", *columns)
    assert (raw["read"], raw["rows"], raw["rejected"]) == (60, 60, 0)
    scrubbed = site.skerry("scrub", "notes", "--report", str(tmp_path / "report"))
    assert scrubbed["held_back"] == 0 and any((tmp_path / "report").iterdir())
    site.skerry("curate", "notes", "--split", "0.6/0.2/0.2")
    trained = site.skerry("train", "notes", "--name", "triage", "--method", "probe", "--base", "tiny", "--seed", "3")
    assert len(trained["weights_sha256"]) == 64 and trained["seconds"] > 0
    float_model = site.skerry("export", "triage", "--format", "onnx")
    assert float_model["parity"] and Path(float_model["path"], "model.onnx").exists()
    measured = site.skerry("evaluate", float_model["model"], "notes")
    assert {"accuracy", "macro_f1"} <= set(measured["metrics"])
    compared = site.skerry("compare", trained["model"], float_model["model"], "notes")
    assert compared["low"] <= compared["difference"] == 0 <= compared["high"] and compared["p"] == 1
    site.run("predict", float_model["model"], str(tmp_path / "messages.csv"), "--out", str(tmp_path / "answers.jsonl"))
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 60
    assert site.skerry("promote", float_model["model"], "--to", "live", "--release", "desk")["release"] == "desk"
    site.skerry("promote", site.skerry("export", trained["model"], "--format", "onnx")["model"], "--release", "desk")


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, second = (make_site(tmp_path / name) for name in ("a", "b"))
    stories = [
        {item["step"]: item for item in site.skerry("run", str(site.folder / "triage.toml"))["steps"]}
        for site in (first, second)
    ]
    assert stories[0]["train"]["weights_sha256"] == stories[1]["train"]["weights_sha256"]
    assert stories[0]["export"]["model"] == stories[1]["export"]["model"]
