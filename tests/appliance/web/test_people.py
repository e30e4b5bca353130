"""People: nobody enters without an invitation, a code works once, a password is never guessed at leisure."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.errors import BusyError, InputError, IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.settings import WebSettings
from appliance.store import Store
from appliance.web import people
from appliance.web.sessions import Sessions

SETTINGS = WebSettings(attempts=3)
PASSWORD = "a calm sea in the morning"


def joined(store: Store, name: str = "ann", role: str = "annotator") -> people.Person:
    _person, code = people.invite(store, name, role, SETTINGS)
    return people.join(store, code, PASSWORD, SETTINGS)


def test_who_was_invited_joins_and_enters_from_then_on() -> None:
    store = Store.open()
    person, code = people.invite(store, "博文", "reviewer", SETTINGS)
    assert person.role("main") == "reviewer" and person.role("other") is None
    people.join(store, code, PASSWORD, SETTINGS)
    assert people.enter(store, "博文", PASSWORD, SETTINGS).name == "博文"
    assert [event.verb for event in store.events()][-2:] == ["person invite", "person join"]


def test_a_code_may_be_typed_as_people_type() -> None:
    store = Store.open()
    _person, code = people.invite(store, "ann", "annotator", SETTINGS)
    assert len(code) == 29 and code.count("-") == 4
    assert people.join(store, f" {code.lower().replace('-', ' ')} ", PASSWORD, SETTINGS).name == "ann"


def test_a_code_works_once() -> None:
    store = Store.open()
    _person, code = people.invite(store, "ann", "annotator", SETTINGS)
    people.join(store, code, PASSWORD, SETTINGS)
    with pytest.raises(PolicyError, match="not valid"):
        people.join(store, code, "another calm sea", SETTINGS)


def test_a_code_ends_after_its_days(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open()
    _person, code = people.invite(store, "ann", "annotator", SETTINGS)
    now = people.time.time()
    monkeypatch.setattr(people.time, "time", lambda: now + SETTINGS.invitation_days * 86_400 + 1)
    with pytest.raises(PolicyError):
        people.join(store, code, PASSWORD, SETTINGS)


def test_a_new_code_replaces_a_forgotten_password() -> None:
    store = Store.open()
    joined(store)
    _person, code = people.invite(store, "Ann", "annotator", SETTINGS)
    people.join(store, code, "the tide comes back at six", SETTINGS)
    assert people.enter(store, "ANN", "the tide comes back at six", SETTINGS).name == "ann"
    with pytest.raises(PolicyError):
        people.enter(store, "ann", PASSWORD, SETTINGS)


@pytest.mark.parametrize(
    "password", ["short", "x" * 129, "aaaaaaaaaaaaaa", "my name is ANN today", "password1234 long"]
)
def test_a_poor_password_is_refused_and_the_code_still_works(password: str) -> None:
    store = Store.open()
    _person, code = people.invite(store, "ann", "annotator", SETTINGS)
    with pytest.raises(InputError):
        people.join(store, code, password, SETTINGS)
    people.join(store, code, PASSWORD, SETTINGS)


def test_an_unknown_name_and_a_wrong_password_are_told_alike() -> None:
    store = Store.open()
    joined(store)
    people.invite(store, "bob", "annotator", SETTINGS)  # has no password yet
    messages = set()
    for name in ("ann", "nobody", "bob", ""):
        with pytest.raises(PolicyError) as caught:
            people.enter(store, name, "wrong wrong wrong", SETTINGS)
        messages.add(str(caught.value))
    assert messages == {"name and password do not match"}


def test_wrong_passwords_lock_the_name_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open()
    joined(store)
    for _each in range(3):
        with pytest.raises(PolicyError):
            people.enter(store, "ann", "wrong wrong wrong", SETTINGS)
    with pytest.raises(BusyError, match="15 minutes"):
        people.enter(store, "ann", PASSWORD, SETTINGS)
    assert people.overview(store)[0]["state"] == "locked"
    now = people.time.time()
    monkeypatch.setattr(people.time, "time", lambda: now + 15 * 60 + 1)
    assert people.enter(store, "ann", PASSWORD, SETTINGS).name == "ann"


def test_a_right_password_forgets_the_wrong_ones() -> None:
    store = Store.open()
    joined(store)
    for _each in range(4):
        with pytest.raises(PolicyError):
            people.enter(store, "ann", "wrong wrong wrong", SETTINGS)
        people.enter(store, "ann", PASSWORD, SETTINGS)


def test_a_role_belongs_to_one_project() -> None:
    store, other = Store.open(), Store.open(project="other")
    joined(store)
    with pytest.raises(PolicyError):
        people.enter(other, "ann", PASSWORD, SETTINGS)
    people.invite(other, "ann", "reviewer", SETTINGS)
    assert people.find(store.home, "ann", "main").role("main") == "annotator"  # type: ignore[union-attr]
    assert [one.name for one in people.people(other.home, "other")] == ["ann"]


def test_who_is_dismissed_is_out_at_once() -> None:
    store = Store.open()
    joined(store)
    people.remove(store, "ANN", SETTINGS)
    assert people.find(store.home, "ann", "main") is None
    with pytest.raises(PolicyError):
        people.enter(store, "ann", PASSWORD, SETTINGS)
    with pytest.raises(NotFoundError, match="nobody is called `ann`"):
        people.remove(store, "ann", SETTINGS)


def test_who_is_called_like_somebody_dismissed_starts_anew() -> None:
    """Neither the password nor a session of the one before opens the door to the role of the one after."""
    store = Store.open()
    joined(store)
    secret = Sessions(store.home, SETTINGS).begin("ann")
    people.remove(store, "ann", SETTINGS)
    people.invite(store, "ann", "reviewer", SETTINGS)
    assert Sessions(store.home, SETTINGS).find(secret) is None
    with pytest.raises(PolicyError, match="do not match"):
        people.enter(store, "ann", PASSWORD, SETTINGS)


def test_who_is_left_with_a_role_elsewhere_keeps_the_password() -> None:
    store, other = Store.open(), Store.open(project="other")
    joined(store)
    people.invite(other, "ann", "annotator", SETTINGS)
    people.remove(other, "ann", SETTINGS)
    assert people.enter(store, "ann", PASSWORD, SETTINGS).name == "ann"


def test_a_name_that_nobody_has_costs_as_much_as_one_that_somebody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written as often and the password stretched as often, so that the time does not tell who is there."""
    store = Store.open()
    joined(store)
    done: list[str] = []
    for name in ("write_durably", "_stretch"):
        work = getattr(people, name)
        monkeypatch.setattr(people, name, lambda *given, name=name, work=work: (done.append(name), work(*given))[1])
    people._nobody()
    costs = []
    for name in ("ann", "nobody"):
        done.clear()
        with pytest.raises(PolicyError, match="do not match"):
            people.enter(store, name, "wrong wrong wrong", SETTINGS)
        costs.append(list(done))
    assert costs[0] == costs[1] == ["write_durably", "_stretch"]
    assert [one.name for one in people.people(store.home, "main")] == ["ann"]


def test_guesses_at_the_same_time_are_counted_like_others() -> None:
    store = Store.open()
    joined(store)

    def guess(number: int) -> str:
        try:
            people.enter(store, "ann", f"a wrong guess {number}", SETTINGS)
        except (PolicyError, BusyError) as error:
            return type(error).__name__
        return ""

    with ThreadPoolExecutor(12) as pool:
        tried = list(pool.map(guess, range(12)))
    assert tried.count("PolicyError") == SETTINGS.attempts and tried.count("BusyError") == 12 - SETTINGS.attempts


def test_neither_code_nor_password_lies_on_the_disk() -> None:
    store = Store.open()
    _person, code = people.invite(store, "bob", "annotator", SETTINGS)
    person = joined(store)
    for path in (one for one in store.home.rglob("*") if one.is_file()):
        content = path.read_bytes()
        assert PASSWORD.encode() not in content and code.encode() not in content
        assert code.replace("-", "").encode() not in content
    assert str(person.password) not in repr(person)


@pytest.mark.parametrize("name", ["", "../x", "a" * 65, "<b>"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        people.invite(Store.open(), name, "annotator", SETTINGS)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(SettingsError, match="annotator, reviewer"):
        people.invite(Store.open(), "ann", "king", SETTINGS)


def test_a_damaged_file_lets_nobody_in() -> None:
    store = Store.open()
    joined(store)
    (store.home / "people.json").write_text(json.dumps({"people": [{"name": "ann"}]}))
    with pytest.raises(IntegrityError, match="put back a backup"):
        people.enter(store, "ann", PASSWORD, SETTINGS)
