"""Killed anywhere: `kill -9` at random moments of the recipe, and it still ends, with the same release and no row lost."""

import json
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.journeys.site import ROOT, Site, make_site

TRAIN = {"method": "full", "epochs": 2.0, "checkpoint_steps": 1}


def content(site: Site) -> tuple[str, int]:
    """What must not depend on the kills: the release's version and the rows that came through."""
    releases = site.skerry("list", "releases")["releases"]
    curated = site.skerry("show", site.skerry("list", "datasets")["datasets"][-1]["dataset"])
    return releases[0]["version"], curated["rows"]


def killed_run(site: Site, kills: int, seed: int, seconds: float) -> int:
    """Run the recipe, killing it `kills` times after a random part of `seconds`; return how many kills hit a living process."""
    chance, hits = random.Random(seed), 0
    command = site.command("run", str(site.folder / "triage.toml"), "--json")
    for _number in range(kills):
        process = subprocess.Popen(
            command, env=site.environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.3, seconds))
        hits += process.poll() is None
        process.kill()
        process.wait()
        site.run("audit", "verify")
    site.run("run", str(site.folder / "triage.toml"))
    return hits


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, int], float]:
    """The release of a run that nobody killed, and how long it took."""
    site = make_site(tmp_path_factory.mktemp("whole"), **TRAIN)
    begin = time.monotonic()
    site.run("run", str(site.folder / "triage.toml"))
    return content(site), time.monotonic() - begin


def check(folder: Path, whole: tuple[tuple[str, int], float], kills: int, seed: int) -> None:
    site = make_site(folder, **TRAIN)
    hits = killed_run(site, kills, seed, whole[1] * 0.8)
    assert hits > 0
    assert content(site) == whole[0]
    assert site.skerry("fsck", "--verify-data")["ok"]
    unfinished = [job for job in site.skerry("list", "jobs")["jobs"] if job["state"] != "done"]
    assert unfinished == [], json.dumps(unfinished)


def test_five_kills_change_nothing(tmp_path: Path, whole: tuple[tuple[str, int], float]) -> None:
    check(tmp_path, whole, kills=5, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_fifty_kills_change_nothing(tmp_path: Path, whole: tuple[tuple[str, int], float], seed: int) -> None:
    check(tmp_path, whole, kills=5, seed=100 + seed)
