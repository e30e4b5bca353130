"""The exchange with a real Label Studio, in a process of its own on loopback. `SKERRY_RECORD=1` writes down what it says for `make test`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from labeling.studio import Studio
from tests.labeling.studio_rig import TOKEN, Recorder, Server, conversation, label_studio, labeling, linked

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with label_studio(tmp_path_factory.mktemp("there")) as running:
        yield running


@pytest.mark.parametrize("kind", ["single", "multi", "spans"])
def test_a_task_goes_there_and_comes_back(kind: str, server: Server) -> None:
    """The exchange that `make test` replays is the one that a real server has."""
    store, task = labeling(6, kind)
    linked(store, task, server.url)
    recorder = Recorder()
    with closing(Studio(server.url, TOKEN, transport=recorder)) as client:
        conversation(store, task, client, server)
    if os.environ.get("SKERRY_RECORD") == "1":
        recorder.write(kind)
