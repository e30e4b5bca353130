"""Two people: different owners, keys in force, one action on one artifact."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.api_keys import add_key, revoke_key
from appliance.approvals import approvals, approve, spend
from appliance.errors import IntegrityError, PolicyError
from appliance.store import Store

MODEL, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "home")


def test_two_owners_are_enough_and_one_with_two_keys_is_not(store: Store) -> None:
    first, again, second = (add_key(store, owner)[1] for owner in ("ann", "ann", "bo"))
    assert approve(store, "promote triage", MODEL, first).owners == ("ann",)
    assert not approve(store, "promote triage", MODEL, again).enough
    assert not approve(store, "egress", MODEL, first).enough
    assert not approve(store, "egress", MODEL, add_key(store, "Ann")[1]).enough
    done = approve(store, "promote triage", MODEL, second)
    assert (done.owners, done.enough) == (("ann", "bo"), True)
    assert approvals(store, "promote triage", MODEL) == done


def test_an_approval_is_for_one_action_on_one_artifact(store: Store) -> None:
    for owner in ("ann", "bo"):
        approve(store, "promote triage", MODEL, add_key(store, owner)[1])
    assert approvals(store, "promote triage", OTHER).owners == ()
    assert approvals(store, "egress", MODEL).owners == ()


def test_a_wrong_or_revoked_key_approves_nothing(store: Store) -> None:
    key, secret = add_key(store, "ann")
    approve(store, "egress", MODEL, secret)
    revoke_key(store, key.id)
    assert approvals(store, "egress", MODEL).owners == ()
    for wrong in (secret, "skerry_nobody", "", "\ud800"):
        with pytest.raises(PolicyError, match="skerry key list"):
            approve(store, "egress", MODEL, wrong)


def test_each_approval_is_an_event_without_the_key_and_only_once(store: Store) -> None:
    key, secret = add_key(store, "ann")
    for _turn in range(2):
        approve(store, "egress", MODEL, secret)
    (event,) = [event for event in store.events() if event.verb == "approve"]
    assert (event.artifacts, event.details) == ((MODEL,), {"action": "egress", "key": key.id, "owner": "ann"})
    kept = (store.home / "projects" / "main" / "approvals.json").read_text()
    assert secret not in kept and secret.removeprefix("skerry_") not in repr(event)


def test_what_was_done_needs_new_approvals(store: Store) -> None:
    for owner in ("ann", "bo"):
        approve(store, "egress", MODEL, add_key(store, owner)[1])
    spend(store, "egress", MODEL)
    assert approvals(store, "egress", MODEL).owners == ()


def test_an_old_approval_no_longer_counts(store: Store) -> None:
    approve(store, "egress", MODEL, add_key(store, "ann")[1])
    path = store.home / "projects" / "main" / "approvals.json"
    content = json.loads(path.read_text())
    content[f"egress {MODEL}"][0]["time"] = "2020-01-01T00:00:00.000Z"
    path.write_text(json.dumps(content))
    assert approvals(store, "egress", MODEL, needed=1).enough is False


@pytest.mark.parametrize("content", ["{", "[]", '{"egress x": 3}', '{"egress x": [{"key": "k"}]}'])
def test_a_damaged_file_allows_nothing(store: Store, content: str) -> None:
    path = store.home / "projects" / "main" / "approvals.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(IntegrityError, match=r"approvals\.json"):
        approvals(store, "egress", MODEL)
