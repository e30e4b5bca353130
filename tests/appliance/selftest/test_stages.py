"""The stages: each sees the fault that it is there for."""

from __future__ import annotations

import base64
import hashlib
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from appliance.errors import IntegrityError
from appliance.selftest import samples, stages
from appliance.selftest.stages import STAGES, absent
from appliance.store import Store
from tests.fakes import tiny_records
from tests.tiny_onnx import add_model


def test_the_list_names_what_this_release_has() -> None:
    assert [stage.name for stage in STAGES] == ["install-check", "ingest", "scrub", "train", "export", "serve"]
    assert all(absent(stage) is None for stage in STAGES)  # the test environment has every extra


def test_a_stage_whose_extra_is_missing_is_absent_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stages.EXTRAS, "train", "no_such_module")
    missing = {stage.name: reason for stage in STAGES if (reason := absent(stage))}
    assert list(missing) == ["train", "export"]
    assert "extra train" in missing["train"]


def test_a_changed_file_of_the_installation_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "skerry-1.dist-info").mkdir()
    (tmp_path / "code.py").write_bytes(b"good")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"good").digest()).rstrip(b"=").decode()
    (tmp_path / "skerry-1.dist-info" / "RECORD").write_text(f"code.py,sha256={digest},4\n")
    monkeypatch.setattr(stages, "distribution", lambda _name: PathDistribution(tmp_path / "skerry-1.dist-info"))
    assert stages._installed_files() == 1
    for damage in (lambda: (tmp_path / "code.py").write_bytes(b"evil"), (tmp_path / "code.py").unlink):
        damage()  # type: ignore[operator]
        with pytest.raises(IntegrityError, match="not the file that was installed"):
            stages._installed_files()


def test_a_changed_base_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(tmp_path / "bases"))
    tiny = samples.tiny_base(tmp_path / "bases" / "tiny")
    assert stages.install_check(Store.open())["bases"] == ["tiny"]
    (tiny / "config.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"is not what `base\.json` says"):
        stages.install_check(Store.open())


def test_a_planted_value_that_is_left_fails_the_scrub(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open()
    for text in ("nothing here", samples.PLANTED[0]):
        with store.draft("dataset", "selftest", meta={"stage": "scrubbed"}) as draft:
            record = tiny_records(1)[0]
            store.write_records(draft, [type(record)(id=record.id, text=f"I am {text}.", label=record.label)])
        monkeypatch.setattr(stages, "_job", lambda *_given, **_more: {"rows": 1, "findings": {"PERSON": 1}})
        if text in samples.PLANTED:
            with pytest.raises(IntegrityError, match="1 of 8 planted values"):
                stages.scrub(store)
        else:
            assert stages.scrub(store)["left"] == 0


def test_the_server_gives_the_models_answer() -> None:
    store = Store.open()
    assert stages.serve(store) == {"built_in_model": True, "answers": 1}
    assert store.events("selftest")[-1].verb == "promote"


def test_a_server_that_does_not_start_fails_the_stage() -> None:
    store = Store.open()
    model = add_model(store)
    stages._job(store, "promote", model=model.reference, name="selftest")
    (model.folder / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(IntegrityError, match="did not start"):
        stages._ask(b"{}")
