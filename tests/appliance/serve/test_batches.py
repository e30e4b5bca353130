"""Batches on disk: encrypted, counted, owned, gone on with after a crash, destroyed for good."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import IntegrityError, NotFoundError
from appliance.keys import open_keys
from appliance.serve.batches import FRAME_ROWS, Batch, Batches, Row
from appliance.store import Store

SECRET = "Wang Xiaoming 110101194912310021"


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    store = Store.open(tmp_path / "home")
    return Batches(store.home, "main", open_keys(store.home, store.settings.store.key_folder))


def upload(batches: Batches, rows: int, owner: str = "ward-3") -> Batch:
    draft = batches.begin(owner, "triage", False, None)
    for number in range(rows):
        draft.add(Row(f"{SECRET} {number}", str(number), None))
    return draft.finish()


def lines(rows: list[Row]) -> list[dict[str, Any]]:
    return [{"index": int(row.id or 0), "label": "card", "score": 0.5, "version": "0123456789ab"} for row in rows]


def test_rows_come_back_in_frames_and_nothing_of_them_is_readable(batches: Batches) -> None:
    batch = upload(batches, FRAME_ROWS + 3)
    frames = list(batches.rest(batch))
    assert [(number, len(rows)) for number, rows in frames] == [(0, FRAME_ROWS), (1, 3)]
    assert frames[1][1][2] == Row(f"{SECRET} {FRAME_ROWS + 2}", str(FRAME_ROWS + 2), None)
    for path in batches.folder.rglob("*"):
        assert path.is_dir() or b"Wang" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    assert SECRET not in repr(frames)


def test_a_killed_server_goes_on_behind_the_last_whole_answer(batches: Batches) -> None:
    batch = upload(batches, 3 * FRAME_ROWS)
    frames = list(batches.rest(batch))
    counted = batches.answer(batch, 0, lines(frames[0][1]))
    assert (counted.done, counted.failed, counted.versions) == (FRAME_ROWS, 0, {"0123456789ab": FRAME_ROWS})
    batches.answer(counted, 1, lines(frames[1][1]))
    path = batches.folder / batch.id / "answers"
    os.truncate(path, path.stat().st_size - 5)
    again = Batches(batches.folder.parents[2], "main", batches._keys)
    fresh = again.counted(again.find(batch.id, "ward-3"))
    assert fresh.done == FRAME_ROWS
    assert [number for number, _rows in again.rest(fresh)] == [1, 2]
    for number, rows in again.rest(fresh):
        fresh = again.answer(fresh, number, lines(rows))
    found = [json.loads(line)["index"] for part in again.answers(fresh) for line in part.splitlines()]
    assert found == list(range(3 * FRAME_ROWS))


def test_each_owner_sees_their_own(batches: Batches) -> None:
    mine, other = upload(batches, 1), upload(batches, 1, "ward-4")
    assert [batch.id for batch in batches.all("ward-3")] == [mine.id]
    assert {batch.id for batch in batches.all()} == {mine.id, other.id}
    assert batches.find(mine.id, "ward-3") == mine
    for identity, owner in ((other.id, "ward-3"), ("0" * 32, "ward-3"), ("../batches", None), ("..", None)):
        with pytest.raises(NotFoundError):
            batches.find(identity, owner)


def test_a_finished_batch_keeps_no_text_and_a_deleted_one_nothing(batches: Batches, tmp_path: Path) -> None:
    batch = upload(batches, 2)
    batch = batches.update(batches.answer(batch, 0, lines(next(batches.rest(batch))[1])), state="done")
    assert not (batches.folder / batch.id / "inputs").exists()
    assert len(b"".join(batches.answers(batch)).splitlines()) == 2
    shutil.copytree(batches.folder / batch.id, tmp_path / "copied before")
    batches.delete(batch)
    assert list(batches.folder.iterdir()) == []
    with pytest.raises(NotFoundError):
        list(batches.answers(batch))


def test_what_is_old_or_was_never_whole_is_swept(batches: Batches) -> None:
    old, fresh, waiting = (upload(batches, 1) for _ in range(3))
    batches.update(old, state="done", ended="2020-01-01T00:00:00.000Z")
    batches.update(fresh, state="done", ended="2999-01-01T00:00:00.000Z")
    batches.begin("ward-3", "triage", False, None)
    (left,) = {path.name for path in batches.folder.iterdir()} - {old.id, fresh.id, waiting.id}
    batches.sweep(7)
    assert {path.name for path in batches.folder.iterdir()} == {fresh.id, waiting.id, left}  # it may be under way
    os.utime(batches.folder / left, (0, 0))
    batches.sweep(7)
    assert {path.name for path in batches.folder.iterdir()} == {fresh.id, waiting.id}


def test_answers_of_another_batch_are_noticed(batches: Batches) -> None:
    one, two = upload(batches, 1), upload(batches, 1)
    batches.answer(one, 0, lines(next(batches.rest(one))[1]))
    shutil.copy(batches.folder / one.id / "answers", batches.folder / two.id / "answers")
    with pytest.raises(IntegrityError):
        list(batches.answers(replace(two, done=1)))
