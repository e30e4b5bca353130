"""Sessions: they end when they should, survive a restart, and their secret lies nowhere."""

from __future__ import annotations

import pytest

from appliance.settings import WebSettings
from appliance.store import Store
from appliance.web import sessions
from appliance.web.sessions import Sessions

SETTINGS = WebSettings(idle_minutes=30, absolute_hours=2)


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sessions, "time", made)
    return made


def test_a_session_is_found_by_its_secret_alone(clock: Clock) -> None:
    known = Sessions(Store.open().home, SETTINGS)
    secret = known.begin("ann")
    found = known.find(secret)
    assert found is not None and found.name == "ann" and len(found.csrf) == 64
    assert known.find(secret + "x") is None and known.find("") is None
    assert known.begin("ann") != secret


def test_a_restart_ends_no_session(clock: Clock) -> None:
    home = Store.open().home
    secret = Sessions(home, SETTINGS).begin("ann")
    first, second = Sessions(home, SETTINGS), Sessions(home, SETTINGS)
    assert first.find(secret) is not None
    second.end(secret)
    assert first.find(secret) is None  # another server of the home has ended it


def test_an_idle_session_ends(clock: Clock) -> None:
    known = Sessions(Store.open().home, SETTINGS)
    secret = known.begin("ann")
    clock.now += 29 * 60
    assert known.find(secret) is not None
    clock.now += 29 * 60
    assert known.find(secret) is not None
    clock.now += 32 * 60
    assert known.find(secret) is None


def test_a_page_that_is_only_open_keeps_no_session(clock: Clock) -> None:
    known = Sessions(Store.open().home, SETTINGS)
    secret = known.begin("ann")
    for _minute in range(30):
        clock.now += 60
        assert known.find(secret, active=False) is not None
    clock.now += 120
    assert known.find(secret, active=False) is None


def test_an_old_session_ends_however_busy(clock: Clock) -> None:
    known = Sessions(Store.open().home, SETTINGS)
    secret = known.begin("ann")
    for _each in range(11):
        clock.now += 600
        assert known.find(secret) is not None
    clock.now += 700
    assert known.find(secret) is None


def test_a_clock_that_went_back_ends_sessions(clock: Clock) -> None:
    known = Sessions(Store.open().home, SETTINGS)
    secret = known.begin("ann")
    clock.now -= 3600
    assert known.find(secret) is None


def test_all_sessions_of_a_person_end_at_once(clock: Clock) -> None:
    known = Sessions(Store.open().home, SETTINGS)
    mine, other = [known.begin("ann"), known.begin("ann")], known.begin("bob")
    known.end_all("ann")
    assert [known.find(secret) for secret in mine] == [None, None]
    assert known.find(other) is not None


def test_the_secret_lies_nowhere(clock: Clock) -> None:
    home = Store.open().home
    known = Sessions(home, SETTINGS)
    secret = known.begin("ann")
    found = known.find(secret)
    assert found is not None
    assert secret not in (home / "sessions.json").read_text()
    assert found.csrf not in (home / "sessions.json").read_text() + repr(found)


def test_a_torn_file_ends_every_session(clock: Clock) -> None:
    home = Store.open().home
    known = Sessions(home, SETTINGS)
    secret = known.begin("ann")
    (home / "sessions.json").write_text('{"a": ')
    assert Sessions(home, SETTINGS).find(secret) is None
    assert Sessions(home, SETTINGS).begin("bob")
