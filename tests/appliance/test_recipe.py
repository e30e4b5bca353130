"""Recipes: short ones work, wrong ones are explained."""

from pathlib import Path

import pytest

from appliance import pipeline
from appliance.errors import MissingPartError, SettingsError
from appliance.recipe import read_recipe
from appliance.store import Store


def write(folder: Path, content: str) -> Path:
    path = folder / "triage.toml"
    path.write_text(content, "utf-8")
    return path


def test_only_the_files_are_needed(tmp_path: Path) -> None:
    found = read_recipe(write(tmp_path, "[data]\nfiles = ['a.csv']")).arguments()
    assert found["data"]["files"] == [str(tmp_path / "a.csv")]
    assert found["data"]["options"]["text_column"] == "text"
    assert (found["model"], found["release"]["name"], found["release"]["to"]) == ("triage", "triage", "live")


def test_sections_that_are_settings_override_them(tmp_path: Path) -> None:
    recipe = read_recipe(
        write(
            tmp_path,
            "[data]\nfiles = ['a.csv']\n[train]\nname = 'm'\nmethod = 'probe'\n[curate]\nsplit = '0.7/0.1/0.2'",
        )
    )
    assert recipe.model == "m"
    assert recipe.overrides == {"train": {"method": "probe"}, "curate": {"split": "0.7/0.1/0.2"}}


def test_policy_and_key_files_lie_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[policy]\nname = 'mine'")
    text = "[data]\nfiles = ['a.csv']\n[scrub]\npolicy = '{}'\nvault = ['a.key', '/b.key']"
    recipe = read_recipe(write(tmp_path, text.format("mine.toml")))
    assert recipe.overrides["scrub"] == {
        "policy": str(tmp_path / "mine.toml"),
        "vault": [str(tmp_path / "a.key"), "/b.key"],
    }
    assert recipe.files() == [tmp_path / "a.csv", tmp_path / "mine.toml"]
    assert read_recipe(write(tmp_path, text.format("gdpr"))).overrides["scrub"]["policy"] == "gdpr"


def test_a_wrong_policy_stops_a_recipe_before_any_work(tmp_path: Path) -> None:
    text = "[data]\nfiles = ['a.csv']\n[scrub]\npolicy = 'gdrp'"
    with pytest.raises(SettingsError, match="`gdpr`"):
        pipeline.run(Store.open(), read_recipe(write(tmp_path, text)).arguments())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "files"),
        ("[data]\nfiles = []", "files"),
        ("[data]\nfiles = ['a']\ntxt = 'text'", "`text`"),
        ("[dta]\nfiles = ['a']", r"\[data\]"),
        ("[data]\nfiles = ['a']\n[store]\nreserve_bytes = 1", "store"),
        ("[data]\nfiles = ['a']\n[release]\nto = 'moon'", r"release|to"),
        ("[data", "recipe"),
        ("[data]\nfiles = 'a.csv'", "must be a list"),
        ("[data]\nfiles = [3]", r"files\.0"),
        ("data = 3", r"write `\[data\]`"),
        ("[data]\nfiles = ['a']\ntext = 3", "`text`: it must be text, in quotes; it is a whole number$"),
        ("[data]\nfiles = ['a']\n[release]\nmin_score = 2", "it must be at most 1"),
        ("[data]\nfiles = ['a']\n[train]\nname = 3", "model"),
    ],
)
def test_a_wrong_recipe_is_explained(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_recipe(write(tmp_path, content))


def test_a_missing_recipe_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        read_recipe(tmp_path / "none.toml")


def test_a_base_model_that_is_not_there_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nhello,a\n")
    recipe = read_recipe(write(tmp_path, "[data]\nfiles = ['a.csv']\n[train]\nbase = 'nowhere'")).arguments()
    store = Store.open(tmp_path / "home")
    with pytest.raises(MissingPartError, match="nowhere"):
        pipeline.run(store, recipe)
    assert store.artifacts() == []


@pytest.mark.parametrize("lines", ["[release]\nname = 'a/b'", "[train]\nname = 'my model'"])
def test_a_name_that_cannot_be_is_refused_before_any_work(tmp_path: Path, lines: str) -> None:
    (tmp_path / "a.csv").write_text("text,label\nhello,a\n")
    recipe = read_recipe(write(tmp_path, f"[data]\nfiles = ['a.csv']\n{lines}")).arguments()
    store = Store.open(tmp_path / "home")
    with pytest.raises(SettingsError, match="cannot be a name"):
        pipeline.run(store, recipe)
    assert store.artifacts() == []
