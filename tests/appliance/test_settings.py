"""Settings: one file, the environment above it, every error names the nearest right key."""

import re
from pathlib import Path

import pytest

from appliance.errors import SettingsError
from appliance.settings import describe, load


def write(home: Path, content: str) -> Path:
    home.mkdir(exist_ok=True)
    (home / "skerry.toml").write_text(content, "utf-8")
    return home


def test_the_file_outranks_the_default_and_the_environment_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = write(tmp_path, "[serve]\nport = 9000\nhost = '127.0.0.2'")
    assert load(home).serve.port == 9000
    monkeypatch.setenv("SKERRY_SERVE__PORT", "9001")
    assert (load(home).serve.port, load(home).serve.host) == (9001, "127.0.0.2")


def test_overrides_come_last_and_none_is_no_override(tmp_path: Path) -> None:
    home = write(tmp_path, "[train]\nseed = 5")
    assert load(home, train={"seed": 7, "method": None}).train.seed == 7
    assert load(home, train={"seed": None}).train.seed == 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[serve]\nprot = 1", "serve.port"),
        ("[severs]\nport = 1", "nearest"),
        ("[serve]\nport = 70000", "serve.port"),
        ("[serve]\nport = 'many'", "serve.port"),
        ("[curate]\nsplit = 'half'", "curate.split"),
        ("this is no toml", "skerry.toml"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(write(tmp_path, content))


def test_an_unknown_override_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"train\.seed"):
        load(tmp_path, train={"sed": 1})


def test_a_bad_byte_is_explained(tmp_path: Path) -> None:
    (tmp_path / "skerry.toml").write_bytes(b"[serve]\nhost = '\xff'")
    with pytest.raises(SettingsError, match=r"skerry\.toml"):
        load(tmp_path)


def test_settings_do_not_change_after_loading(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path).serve.port = 1


def test_every_setting_is_described_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write(tmp_path, "[serve]\nport = 9000")
    monkeypatch.setenv("SKERRY_TRAIN__SEED", "3")
    rows = {row["key"]: row for row in describe(load(home), home)}
    assert (rows["serve.port"]["source"], rows["train.seed"]["source"], rows["train.epochs"]["source"]) == (
        "file",
        "environment",
        "default",
    )
    assert all(row["description"] for row in rows.values())
    assert rows["store.reserve_bytes"]["unit"] == "bytes" and rows["train.method"]["unit"] == "probe|full"


def test_a_value_of_another_type_names_what_is_allowed_and_what_it_is(tmp_path: Path) -> None:
    """In words of ours, and without the value."""
    for written, told in (
        ("[scrub]\npurge_raw = [1]\n", "setting `scrub.purge_raw`: it must be true or false; it is a list"),
        ("[scrub]\nvault = 'Anna'\n", 'setting `scrub.vault`: it must be a list, as in `["a.csv"]`; it is text'),
        ("[scrub]\nmin_score = 2\n", "setting `scrub.min_score`: it must be at most 1.0 (in"),
        ("scrub = 7\n", "is a section: write `[scrub]`"),
        ("[scrub]\nmin_score = Anna\n", "it is no TOML at line 2, column 13"),
    ):
        (tmp_path / "skerry.toml").write_text(written)
        with pytest.raises(SettingsError, match=re.escape(told)) as raised:
            load(tmp_path)
        assert "Anna" not in str(raised.value)


def test_a_variable_that_cannot_be_read_is_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_REVIEW__REVIEWERS", "anna")
    with pytest.raises(SettingsError, match="a variable"):
        load(tmp_path)
