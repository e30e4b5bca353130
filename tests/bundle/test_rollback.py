"""Turning back and taking away: newer labels stay, and so does the home."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from bundle.slots import Prefix
from tests.bundle.small import Machine, make_payload


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which release 2 followed release 1. The tests below follow each other on it."""
    folder = tmp_path_factory.mktemp("two")
    made = Machine(folder)
    for version, serial in (("1.0", 1), ("2.0", 2)):
        done = made.install(make_payload(folder / version, version, serial, schema=serial))
        assert done.returncode == 0, done.stderr
    return made


def test_status_says_what_is_in_use(two: Machine) -> None:
    said = two.does("status")
    assert (said["version"], said["previous"], said["serial"], said["unfinished"]) == ("2.0", "1.0", 2, None)
    assert [line["action"] for line in said["history"]] == ["install", "install"]  # type: ignore[attr-defined]
    assert said["home"] == str(two.home)


def test_a_rollback_keeps_newer_labels(two: Machine) -> None:
    two.skerry("label", "newer")
    said = two.does("rollback")
    assert (said["version"], said["left"]) == ("1.0", "2.0")
    assert two.version() == "1.0"
    store = sqlite3.connect(two.home / "skerry.db")
    assert store.execute("SELECT text FROM labels").fetchall() == [("newer",)]
    assert store.execute("PRAGMA user_version").fetchone() == (2,)
    store.close()


def test_there_is_one_way_back_and_no_second(two: Machine) -> None:
    done = two.run(two.command("rollback"))
    assert done.returncode == 4
    assert two.version() == "1.0"


def test_a_rollback_to_a_release_that_is_not_well_is_undone(two: Machine, tmp_path: Path) -> None:
    assert two.install(tmp_path_payload(two)).returncode == 0
    program = next((two.prefix / "releases" / "1.0").rglob("site-packages/skerry_small.py"))
    text = program.read_text()
    program.write_text(text.replace("ok = ", "ok = False and "))
    try:
        done = two.run(two.command("rollback"))
        assert done.returncode == 3
        assert two.version() == "2.0"
        assert two.does("status")["previous"] == "1.0"
    finally:
        program.write_text(text)


def tmp_path_payload(machine: Machine) -> Path:
    return machine.prefix.parent / "2.0"


def test_an_installation_that_was_cut_off_before_its_switch_can_be_undone(two: Machine) -> None:
    """`rollback` then stays with what is in use."""
    place = Prefix(two.prefix)
    state = place.state()
    place.write_state({**state, "intent": {"action": "install", "slot": "9.9", "previous": "2.0"}})
    assert two.does("rollback")["version"] == "2.0"
    said = two.does("status")
    assert (said["version"], said["previous"], said["unfinished"]) == ("2.0", "1.0", None)


def test_a_link_that_leads_astray_is_refused(two: Machine) -> None:
    link = two.prefix / "current"
    right = link.readlink()
    link.unlink()
    link.symlink_to("/etc")
    assert two.run(two.command("status")).returncode == 6
    link.unlink()
    link.symlink_to(right)
    assert two.does("status")["version"] == "2.0"


def test_a_home_that_was_not_typed_right_stays(two: Machine) -> None:
    done = two.run([*two.command("uninstall"), "--remove-home", str(two.home.parent)])
    assert done.returncode == 5
    assert two.version() == "2.0"


def test_uninstalling_leaves_the_home_and_the_serial(two: Machine) -> None:
    said = two.does("uninstall")
    assert said["kept"] == [str(two.home), str(two.keys)]
    assert {path.name for path in two.prefix.iterdir()} == {".lock", "state.json", "vendor.pem"}
    assert (two.home / "skerry.db").is_file()
    older = two.install(two.prefix.parent / "1.0")
    assert older.returncode == 5
    assert two.install(tmp_path_payload(two)).returncode == 0
    store = sqlite3.connect(two.home / "skerry.db")
    assert store.execute("SELECT text FROM labels").fetchall() == [("newer",)]
    store.close()


def test_the_home_goes_when_its_path_is_typed(two: Machine) -> None:
    done = two.run([*two.command("uninstall"), "--remove-home", str(two.home)])
    assert done.returncode == 0, done.stderr
    assert not two.home.exists()
    assert json.loads(done.stdout)["kept"] == [str(two.keys)]


def test_where_nothing_is_installed_every_verb_says_so(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    for verb in ("status", "rollback", "uninstall"):
        done = machine.run(machine.command(verb))
        assert done.returncode == 4
        assert "--prefix" in done.stderr
    assert not machine.prefix.exists()
