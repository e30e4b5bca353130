"""The canary: identities planted in a file are found nowhere but in the raw set's folder, whatever the bytes are packed in.

Every class of HIPAA's Safe Harbor that a text can hold and more than twenty Chinese kinds go in; the recipe, a failed job, a reviewer, seeded recall, a
server, predictions, reports and an answer to a faulty request come out; everything that was written is opened and searched.
"""

import contextlib
import gzip
import io
import json
import os
import pwd
import sqlite3
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store import Store
from tests.journeys.identities import CHINESE, HIPAA, add_messages, sentences
from tests.journeys.site import PLANTED, ROOT, Site, make_site
from tests.servers import running

# what ingest learnt besides the texts: the source's own ids, the people's numbers, a kept column, the file's name
BESIDE = {"id": "REF-00007-XK", "subject": "PAT-0003-QZ", "kept": "Ward-Sieben", "file": "messages.csv"}
PEOPLE = sentences()
CANARIES = {
    name: value.encode()
    for name, value in (PLANTED | BESIDE | {name: value for name, (_s, value) in PEOPLE.items()}).items()
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site at which everything that writes has run, and whose logs and reports lie in its home."""
    made = make_site(tmp_path_factory.mktemp("site"))
    add_messages(made.folder / "messages.csv", PEOPLE)
    made.run("run", str(made.folder / "triage.toml"))
    made.run("ingest", str(made.folder / "messages.csv"), "--name", "bad", "--text-column", "nothing", code=3)
    made.run("scrub", "triage", "--report", str(made.home / "scrub-report"))
    made.run("recall", "triage", "--seeded", "2", "--report", str(made.home / "recall-report"))
    review(made)
    serve(made)
    made.run("fsck")
    return made


def review(site: Site) -> None:
    """A reviewer reads three raw records, marks words as missed and makes one a rule."""
    me = pwd.getpwuid(os.getuid()).pw_name
    raw = next(item["dataset"] for item in site.skerry("list", "datasets")["datasets"] if item["stage"] == "raw")
    done = subprocess.run(
        site.command("recall", raw, "--review", "3", "--json"),
        input="\n\n\n",
        capture_output=True,
        text=True,
        env=site.environment | {"SKERRY_REVIEW__REVIEWERS": json.dumps([me])},
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["reviewed"] == 3


def serve(site: Site) -> None:
    """Ask a server with every planted sentence, one faulty request among them; keep its log in the home."""
    key = site.skerry("key", "add", "ward")["key"]
    own = {name: value for name, value in site.environment.items() if name.startswith("SKERRY_")}
    with running(site.home, key, **own) as server:
        texts = [sentence for sentence, _value in PEOPLE.values()]
        answer = server.client.post("/v1/predict", json={"inputs": texts, "model": "triage"})
        assert answer.status_code == 200, answer.text
        server.client.post("/v1/predict", json={"inputs": [{"wrong": texts[0]}], "model": texts[1]})
        server.client.get("/v1/models/" + PLANTED["ID_NUMBER"])
        server.client.get("/metrics")
        server.stop()
        (site.home / "serve.log").write_bytes(server.file.read_bytes())


def decoded(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes and what is packed inside them: Parquet cells, SQLite rows, gzip, zip, zlib."""
    content = path.read_bytes()
    yield content
    yield content.decode("utf-16-le", "ignore").encode()
    if content[:4] == b"PAR1":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches():
            yield "\n".join(str(row) for row in batch.to_pylist()).encode()
    if content[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            yield "\n".join(connection.iterdump()).encode()
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if content[:1] == b"\x78":
        with contextlib.suppress(zlib.error):  # one random key in 256 begins like this
            yield zlib.decompressobj().decompress(content)


def hits(folder: Path) -> list[tuple[str, str]]:
    """Name every file under `folder` that holds a canary, with the canary's name."""
    found = []
    for path in (item for item in folder.rglob("*") if item.is_file()):
        name = str(path).encode()
        for part in (name.replace(str(folder).encode(), b""), *decoded(path)):
            found += [(str(path.relative_to(folder)), canary) for canary, value in CANARIES.items() if value in part]
    return found


def test_no_identity_is_anywhere_in_the_home(site: Site) -> None:
    assert list((site.home / "artifacts" / "dataset").iterdir())
    assert hits(site.home) == []


def test_the_search_would_find_them(site: Site, tmp_path: Path) -> None:
    """The same search over the decrypted raw set finds every canary."""
    store = Store.open(site.home, settings=None)
    store.keys.path = next((site.folder / "keys").glob("*.key"))
    raw = next(item for item in store.artifacts("dataset") if item.stage == "raw")
    lines = "\n".join(
        f"{record.text} {record.subject} {record.source.file} {record.source.id} {record.source.kept}"
        for record in store.records(raw)
    )
    with gzip.open(tmp_path / "raw.gz", "wb") as file:
        file.write(lines.encode())
    assert {canary for _path, canary in hits(tmp_path)} == set(CANARIES)


def test_no_identity_is_printed(site: Site) -> None:
    """Neither results nor errors nor logs show a value; only the name of the file that the user typed comes back in its error."""
    jobs = site.skerry("list", "jobs")["jobs"]
    outputs = [site.run("jobs", "log", job["id"]).stdout for job in jobs]
    outputs += [site.run(*verb).stdout for verb in (["list"], ["history"], ["kinds"], ["space"])]
    printed = "\n".join(outputs).encode()
    assert [name for name, value in CANARIES.items() if value in printed] == ["file"]


def test_every_class_that_a_text_can_hold_is_planted(site: Site) -> None:
    """16 of HIPAA's 18 classes (biometric identifiers and face images are no text) and at least 20 Chinese kinds, each with a value of its own."""
    with (site.folder / "messages.csv").open("rb") as file:
        written = file.read()
    assert all(sentence.encode() in written for sentence, _value in PEOPLE.values())
    assert len(HIPAA) == 16
    assert len(CHINESE) >= 20
    assert len({value for _sentence, value in PEOPLE.values()}) == len(HIPAA) + len(CHINESE)
