"""A site for the journeys: a home of its own, a two-layer base model, a file of messages with planted personal data, a recipe."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes import TOPICS, tiny_base

ROOT = Path(__file__).resolve().parents[2]

# One made-up value a kind; all checksums are right, no value belongs to anybody.
PLANTED = {
    "PERSON": "Jonathan Rosenthal",
    "PERSON_ZH": "欧阳建国",
    "EMAIL": "j.rosenthal@mail-example.org",
    "PHONE": "+49 30 901820431",
    "MOBILE_ZH": "13912345678",
    "ID_NUMBER": "11010519491231002X",
    "BANK_CARD": "4111111111111111",
    "IBAN": "DE89370400440532013000",
    "IP": "203.0.113.77",
    "URL": "https://portal-example.org/u/rosenthal",
    "PLATE": "京A12345",
    "PASSPORT": "E12345678",
    "USCC": "91350100M000100Y43",
    "LANDLINE_ZH": "010-62788888",
}
_SENTENCES = (
    "I am Mr {PERSON}, write to {EMAIL} or call {PHONE}.",
    "My card {BANK_CARD} and account {IBAN} belong together.",
    "It happened from {IP}, see {URL} please.",
    "我是患者{PERSON_ZH}，电话{MOBILE_ZH}。",
    "身份证号{ID_NUMBER}，护照号{PASSPORT}，座机{LANDLINE_ZH}。",
    "车牌{PLATE}，统一社会信用代码{USCC}。",
)


def messages(path: Path, rows: int = 60, seed: int = 0) -> Path:
    """Write a CSV of `rows` messages about five topics, each with one planted sentence: columns ref, patient, text, label, ward."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ref", "patient", "text", "label", "ward"])
        for number in range(rows):
            label = list(TOPICS)[number % len(TOPICS)]
            sentence = _SENTENCES[number % len(_SENTENCES)].format(**PLANTED)
            words = TOPICS[label][1 if "，" in sentence or "。" in sentence else 0]
            said = " ".join(chance.choices(words, k=4))
            writer.writerow(
                [
                    f"REF-{number:05d}-XK",
                    f"PAT-{number // 2:04d}-QZ",
                    f"{said} {number}. {sentence}",
                    label,
                    "Ward-Sieben",
                ]
            )
    return path


@dataclass(frozen=True)
class Site:
    """Run verbs of the command line at one site."""

    folder: Path
    environment: dict[str, str]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "appliance.cli", *arguments]

    def run(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a verb; any exit code but `code` fails (None: any will do)."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, env=self.environment, cwd=ROOT, timeout=300
        )
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr[-3000:]}"
        return done

    def skerry(self, *arguments: str) -> dict[str, Any]:
        """Run a verb and return its JSON."""
        found: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        return found


def make_site(folder: Path, rows: int = 60, **train: object) -> Site:
    """Make a site with messages and a recipe for them; `train` are keys of the recipe's `[train]`."""
    tiny_base(folder / "bases" / "tiny")
    messages(folder / "messages.csv", rows)
    keys = {"base": "tiny", "method": "probe", "name": "triage", "max_tokens": 64} | train
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
    (folder / "triage.toml").write_text(
        f"""[data]
files = ["messages.csv"]
id = "ref"
subject = "patient"
keep = ["ward"]
[curate]
split = "0.6/0.2/0.2"
[train]
{lines}
[export]
min_agreement = 0.5
max_drop = 0.5
""",
        "utf-8",
    )
    environment = os.environ | {
        "SKERRY_HOME": str(folder / "home"),
        "SKERRY_STORE__KEY_FOLDER": str(folder / "keys"),
        "SKERRY_BASES__FOLDER": str(folder / "bases"),
        "OMP_NUM_THREADS": "1",
    }
    return Site(folder, environment)
