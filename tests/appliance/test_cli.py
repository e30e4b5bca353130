"""The command line: help, JSON, exit codes, one clear line for each mistake."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from appliance import cli
from appliance.errors import ApplianceError
from appliance.store import Store
from tests.tiny_onnx import add_model


def skerry(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "appliance.cli", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
    )


def verbs() -> list[tuple[str, ...]]:
    """Every verb, with its group where it has one."""
    found = [(command.name or command.callback.__name__,) for command in cli.app.registered_commands]
    for group in cli.app.registered_groups:
        found += [(group.name, command.name) for command in group.typer_instance.registered_commands]
    return found


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_every_verb_has_help(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    cli.app([*verb, "--help"], standalone_mode=False)
    assert "Usage:" in capsys.readouterr().out


def test_help_speaks_chinese() -> None:
    assert "命令" in skerry("--help", SKERRY_LANG="zh").stdout or "数据" in skerry("--help", SKERRY_LANG="zh").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuchverb"], 2, "nosuchverb"),
        (["ingest"], 2, "--help"),
        (["ingest", "a.csv"], 2, "--name"),
        (["train", "nothing", "--name", "m"], 4, "`nothing`"),
        (["list", "--project", "a/b"], 2, "a/b"),
        (["run", "nothing.toml"], 2, "nothing.toml"),
        (["jobs", "log", "ffff"], 4, "ffff"),
        (["delete", "nothing"], 4, "skerry list"),
        (["serve"], 5, "skerry key add"),
        (["promote", "nothing"], 4, "nothing"),
        (["explain", "nothing"], 2, "`--file FILE`"),
        (["explain", "nothing", "a text"], 4, "nothing"),
        (["recall", "nothing"], 2, "`--seeded N` or `--review N`"),
        (["recall", "nothing", "--seeded", "1", "--review", "1"], 2, "`--seeded N` or `--review N`"),
        (["recall", "nothing", "--seeded", "1"], 4, "`nothing`"),
        (["recall", "nothing", "--review", "1"], 5, "a role of its own"),
        (["policy", "check", "hipaa"], 2, "`hipaa-safe-harbor`"),
        (["reveal", "<VAULT_A>", "--reason", "why", "--key", "nothing"], 5, "two people's"),
    ],
)
def test_a_mistake_gives_one_line_and_its_code(arguments: list[str], code: int, words: str) -> None:
    done = skerry(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "x"], "`--name` is missing"),
        (["list", "nonsense"], "`what` takes one of 'datasets', 'models'"),
        (["train", "x", "--name", "m", "--seed", "q"], "`--seed` does not fit"),
        (["ingest", "a.csv", "--nam", "x"], "no option `--nam`. Near: `--name`"),
        (["jobs", "frob"], "no verb `frob`."),
        (["jobs", "list", "more"], "`more` is too much"),
    ],
)
def test_a_wrong_command_is_explained(arguments: list[str], words: str) -> None:
    found = skerry(*arguments)
    assert (found.returncode, found.stdout) == (2, "") and words in found.stderr


def test_a_file_is_scrubbed_with_out_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nhello\n")
    found = skerry("scrub", str(tmp_path / "a.csv"))
    assert found.returncode == 2 and "--out FILE" in found.stderr


def test_a_policy_is_checked_and_its_faults_are_listed(tmp_path: Path) -> None:
    listed = json.loads(skerry("policy", "list", "--json").stdout)["policies"]
    assert {"balanced", "gdpr", "pipl"} < {each["policy"] for each in listed}
    assert json.loads(skerry("policy", "check", "gdpr", "--json").stdout)["ok"] is True
    (tmp_path / "mine.toml").write_text("[policy]\nname = 'mine'\n[kinds]\nPERSN = 'surogate'\n")
    done = skerry("policy", "check", str(tmp_path / "mine.toml"), "--json")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert [each["error"].count("`PERSON`") for each in json.loads(done.stdout)["errors"]] == [1, 0]
    assert not Path(os.environ["SKERRY_HOME"]).exists()


def test_two_people_seal_a_file_and_open_it_again(tmp_path: Path) -> None:
    policy, plain = tmp_path / "mine.toml", tmp_path / "a.csv"
    policy.write_text("[policy]\nname = 'mine'\nmode = 'structured-only'\n[kinds]\nPHONE = 'vault'\n")
    plain.write_text("id,text\n1,call 212-555-0187\n")
    a, b, sealed, back = (str(tmp_path / name) for name in ("a.key", "b.key", "sealed.csv", "back.csv"))
    assert [skerry("vault", "key", file).returncode for file in (a, b, b)] == [0, 0, 2]
    done = skerry("scrub", str(plain), "--out", sealed, "--policy", str(policy), "--vault", a, "--vault", b, "--json")
    assert done.returncode == 0, done.stderr
    assert "555" not in Path(sealed).read_text()
    done = skerry("reveal", sealed, "--out", back, "--reason", "an audit", "--key", b, "--key", a, "--json")
    assert (done.returncode, json.loads(done.stdout)["revealed"]) == (0, 1), done.stderr
    assert Path(back).read_text().split() == plain.read_text().split()
    assert "audit" in skerry("history", "--json").stdout and "555" not in done.stdout


def test_a_model_answers_a_file_into_parquet_and_explains_a_text(tmp_path: Path) -> None:
    add_model(Store.open())
    (tmp_path / "rows.csv").write_text("text\nw1 w2\nw3\n")
    out = tmp_path / "out.parquet"
    asked = ["predict", "triage", str(tmp_path / "rows.csv"), "--out", str(out), "--time-limit", "30min", "--json"]
    answered = json.loads(skerry(*asked).stdout)
    assert (answered["rows"], answered["complete"]) == (2, True)
    assert pq.read_table(out).column("row").to_pylist() == [1, 2]
    missing = skerry("predict", "triage", str(tmp_path / "none.csv"))
    assert missing.returncode in (3, 4) and "none.csv" in missing.stderr
    told = json.loads(skerry("explain", "triage", "w1 w2", "--json").stdout)
    assert [word["word"] for word in told["words"]] == ["w1", "w2"]


def test_recall_of_a_file_needs_no_home(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("message\nThe card was refused twice. Please help!\n")
    report = tmp_path / "report"
    options = ("--seeded", "1", "--policy", "structured-only", "--text-column", "message", "--report", str(report))
    done = skerry("recall", str(tmp_path / "a.csv"), *options, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["planted"] == len(found["kinds"]) == found["found"] + found["missed"] + found["held_back"]
    assert json.loads((report / "recall.json").read_text("utf-8")) == found
    assert not Path(os.environ["SKERRY_HOME"]).exists()


def test_raw_records_are_not_shown_into_a_file(tmp_path: Path) -> None:
    """What a redirected stderr would keep is refused before any record is read."""
    me = json.dumps([pwd.getpwuid(os.getuid()).pw_name])
    with (tmp_path / "kept").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "appliance.cli", "recall", "nothing", "--review", "1"],
            stderr=file,
            env=os.environ | {"SKERRY_REVIEW__REVIEWERS": me},
            timeout=120,
        )
    assert done.returncode == 5
    assert "terminal" in (tmp_path / "kept").read_text("utf-8")


def test_rejected_rows_are_listed_with_their_place_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,split\nhello there,train\n,train\nsecret words,holdout\n")
    found = skerry("ingest", str(path), "--name", "a", "--split-column", "split")
    assert found.returncode == 0 and "--rejected" in found.stderr
    rows = json.loads(skerry("show", "a", "--rejected", "--json").stdout)["rejected"]
    assert [(row["file"], row["row"], row["byte"]) for row in rows] == [("a.csv", 2, 29), ("a.csv", 3, 36)]
    assert "empty" in rows[0]["reason"] and "secret" not in str(rows)


def test_a_wrong_settings_file_is_a_usage_error() -> None:
    home = Path(os.environ["SKERRY_HOME"])
    home.mkdir()
    (home / "skerry.toml").write_text("[serve]\nprot = 1")
    done = skerry("list")
    assert done.returncode == 2 and "serve.port" in done.stderr


def test_a_bug_shows_its_class_and_place_but_not_its_words() -> None:
    """An unforeseen error could quote a record."""
    code = "from appliance import cli, inventory\ndef broken(*a): raise ValueError('patient Jan Novak')\ninventory.inventory = broken\nimport sys; sys.argv = ['skerry', 'list']\ncli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "ValueError" in done.stderr
    assert "Novak" not in done.stderr and "Traceback" not in done.stderr


def test_json_is_one_object_and_text_is_not() -> None:
    skerry("init")
    assert set(json.loads(skerry("list", "--json").stdout)) == {"datasets", "models", "releases", "jobs", "bases"}
    assert json.loads(skerry("history", "--json").stdout) == {"events": []}
    assert json.loads(skerry("audit", "verify", "--json").stdout)["ok"] is True
    assert json.loads(skerry("fsck", "--json").stdout)["ok"] is True
    assert json.loads(skerry("space", "--json").stdout)["free_bytes"] > 0
    with pytest.raises(json.JSONDecodeError):
        json.loads(skerry("list").stdout)


def test_init_makes_a_private_home_and_says_where() -> None:
    done = skerry("init", "--json")
    found = json.loads(done.stdout)
    assert Path(found["home"]).stat().st_mode & 0o077 == 0
    assert Path(found["key_file"]).exists() and "copy of the key file" in done.stderr


def test_doctor_names_what_is_missing_and_how_to_get_it() -> None:
    found = json.loads(skerry("doctor", "--json", SKERRY_BASES__FOLDER="/nonexistent").stdout)
    missing = {check["name"]: check["next"] for check in found["checks"] if not check["ok"]}
    assert missing["base minilm"] == "run `skerry base fetch minilm`"
    assert found["ok"] is True


def test_settings_lists_every_setting() -> None:
    rows = json.loads(skerry("settings", "--json").stdout)["settings"]
    assert {"key", "value", "default", "unit", "source", "description"} == set(rows[0])


def test_every_error_class_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in ApplianceError.__subclasses__() if kind.__module__ == "appliance.errors"]
    assert sorted(codes) == [2, 3, 4, 5, 6, 7, 8, 9, 130]


@pytest.mark.parametrize("words", [["kinds"], ["settings"], ["settings", "--json"], ["--help"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(words: list[str]) -> None:
    """As `skerry list | head -1` does: no traceback, and the code that a shell gives for SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "appliance.cli", *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_ctrl_c_ends_a_verb_with_one_line() -> None:
    """Typer swallows the interrupt; the line that says how to go on comes all the same, and the exit code of one that was interrupted."""
    program = (
        "import os, signal, sys; from appliance import cli; sys.argv = ['skerry', 'wait'];"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # a shell's background job ignores it
        "cli.app.command('wait')(lambda: os.kill(os.getpid(), signal.SIGINT)); cli.main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.strip().endswith("interrupted; the same command goes on with the work")
