"""Recall and precision of `scrub` beside its peers, in one run: python benchmarks/scrub.py --peers FOLDER [--data FOLDER] [--spacy FOLDER] [--kinds].

Recall is leak-free: a span counts only when all its letters and digits are masked. A predicted span is right when at least half of its letters and digits
lie in a gold span. Sets of names count only the kinds they annotate. Rules were tuned on the other halves: presidio_synth_v2 reports the templates with odd
numbers, CLUENER2020 its dev part (called test here), WNUT17 its dev part (called valid) and every fourth row of its train part. Titles stay in the text: TITLE is left out, the
whole name behind one counts.

Each peer lives in an environment of its own under `--peers`, made when it is not there (that needs a package index), and runs as a child process without
a network: `unshare -n`, where the system allows it. Presidio gets the same spaCy model; it reads no Chinese. argus-redact and scrubadub run with what they
bring: their models of names come from hubs. Speed is measured by scrub_speed.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chinese_numbers
import planted
import world_numbers
from planted import OPEN_KINDS, Span

from appliance.privacy import Scrubber
from appliance.privacy.recognizers import spacy_entities

Finder = Callable[[Sequence[str]], list[list[Span]]]
Gold = list[tuple[str, list[Span]]]
PEERS = {
    "presidio": ("presidio-analyzer==2.2.366", "spacy==3.8.18"),
    "presidio+organization": ("presidio-analyzer==2.2.366", "spacy==3.8.18"),
    "argus-redact": ("argus-redact==0.8.22",),
    "scrubadub": ("scrubadub==2.0.1",),
}
READS_CHINESE = {"skerry", "argus-redact", "scrubadub"}
PEOPLE_AND_PLACES = frozenset(("PERSON", "LOCATION", "ADDRESS"))
NAMES = PEOPLE_AND_PLACES | {"ORGANIZATION"}
WNUT = {"person", "location"}
CLUENER = {"name", "address", "scene", "company", "organization", "government"}


@dataclass(frozen=True)
class Set:
    """A set with gold spans: its language, and the kinds whose predictions count (none: all)."""

    name: str
    language: str
    gold: Gold
    kinds: frozenset[str] = frozenset()


def read(path: Path, keep: Callable[[dict[str, Any]], bool], labels: Callable[[str], bool]) -> Gold:
    """Read texts and gold spans of a JSONL set; nothing when it is not there."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return [
        (row["text"], [(s["start"], s["end"], s["label"]) for s in row["spans"] if labels(s["label"])])
        for row in rows
        if keep(row)
    ]


def sets(data: Path) -> list[Set]:
    """Return the sets of texts with names."""
    synth, wnut, cluener = (
        data / name / f"{name}.jsonl" for name in ("presidio_synth_v2", "wnut17_train", "cluener2020_zh")
    )
    everything = read(synth, lambda row: row["template_id"] % 2 == 1, "TITLE".__ne__)
    return [
        Set("presidio_synth_v2 odd", "en", everything),
        Set("wnut17 valid", "en", read(wnut, _valid, WNUT.__contains__), PEOPLE_AND_PLACES),
        Set("wnut17 train, every fourth", "en", read(wnut, _train, WNUT.__contains__)[::4], PEOPLE_AND_PLACES),
        Set("cluener dev", "zh", read(cluener, lambda row: row["split"] == "test", CLUENER.__contains__), NAMES),
    ]


def _valid(row: dict[str, Any]) -> bool:
    return bool(row["split"] == "valid")


def _train(row: dict[str, Any]) -> bool:
    return bool(row["split"] == "train")


def score(gold: Gold, found: list[list[Span]], kinds: frozenset[str]) -> tuple[float, float, dict[str, list[int]]]:
    """Return leak-free recall, precision, and (masked, all) of each label."""
    labels: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    predicted = right = 0
    for (text, wanted), got in zip(gold, found, strict=True):
        masked, personal = _cover(text, got), _cover(text, wanted)
        for start, end, label in wanted:
            labels[label][0] += all(masked[place] for place in range(start, end) if text[place].isalnum())
            labels[label][1] += 1
        for start, end, kind in got:
            letters = [place for place in range(start, end) if text[place].isalnum()]
            if letters and (kind in kinds if kinds else kind != "OTHER"):
                predicted += 1
                right += 2 * sum(personal[place] for place in letters) >= len(letters)
    hidden, spans = (sum(counts[place] for counts in labels.values()) for place in (0, 1))
    return hidden / max(spans, 1), right / max(predicted, 1), labels


def _cover(text: str, spans: Iterable[Span]) -> bytearray:
    covered = bytearray(len(text))
    for start, end, _kind in spans:
        covered[start:end] = b"\1" * (end - start)
    return covered


# -- finders ------------------------------------------------------------------------------------------------------------


def ours(spacy_folder: Path | None) -> Callable[[str], Finder]:
    """Return the scrubber as it ships."""
    scrubber = Scrubber.from_settings("auto", spacy_folder=spacy_folder)
    return lambda _language: (
        lambda texts: [[(each.start, each.end, each.kind) for each in found] for found in scrubber.find(texts)]
    )


def peer(name: str, folder: Path, model: Path) -> Callable[[str], Finder]:
    """Return a peer that runs in its own environment under `folder`, made with pip when it is not there."""
    environment = folder / name.split("+")[0]
    python = environment / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
    program = Path(__file__).parent / "peers/read.py"

    def finder(language: str) -> Finder:
        command = [*_alone(), str(python), str(program), name, language, str(model)]

        def find(texts: Sequence[str]) -> list[list[Span]]:
            answer = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
            return [[tuple(span) for span in spans] for spans in json.loads(answer.stdout)]

        return find

    return finder


def _alone() -> list[str]:
    """Return what runs a program without a network, nothing where the system does not allow it."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
        except FileNotFoundError:
            return []
    return []


# -- tables -------------------------------------------------------------------------------------------------------------


def names_table(chosen: list[Set], finders: dict[str, Callable[[str], Finder]], by_kind: bool) -> None:
    """Print recall / precision of each finder on each set; with `by_kind` also the recall of each label."""
    labels: dict[tuple[str, str], dict[str, str]] = {}
    for each in chosen:
        cells = {}
        for rival, finder in finders.items():
            if not each.gold or (each.language == "zh" and rival not in READS_CHINESE):
                cells[rival] = "-"
                continue
            found = finder(each.language)([text for text, _spans in each.gold])
            recall, precision, counts = score(each.gold, found, each.kinds)
            cells[rival] = f"{recall:.3f} / {precision:.3f}"
            for label, (masked, total) in counts.items():
                labels.setdefault((each.name, f"{label} ({total})"), {})[rival] = f"{masked / total:.3f}"
        row(each.name, cells.values())
    if by_kind:
        row("recall by label", finders)
        for (name, label), shares in sorted(labels.items()):
            row(f"{name}: {label}", (shares.get(rival, "-") for rival in finders))


def numbers_table(rows_each: int, finders: dict[str, Callable[[str], Finder]]) -> None:
    """Print recall / precision / share of untouched traps on the planted numbers."""
    for name, language, make in (("Chinese", "zh", chinese_numbers.rows), ("world", "en", world_numbers.rows)):
        for hidden in (False, True):
            made, cells = make(rows_each, hidden, 7), []
            for rival, finder in finders.items():
                if language == "zh" and rival not in READS_CHINESE:
                    cells.append("-")
                    continue
                scores = planted.evaluate(made, finder(language))
                shares = (planted.share(scores[key]) for key in ("recall", "precision", "traps untouched"))
                cells.append(" / ".join(f"{share:.3f}" for share in shares))
            row(f"{name} numbers{', hidden' if hidden else ''}", cells)


def quiet_table(data: Path, finders: dict[str, Callable[[str], Finder]]) -> None:
    """Print findings in 100 texts that hold hardly any personal data: all, and those that are no date, age or nationality."""
    for name, language in (
        ("medical_abstracts", "en"),
        ("banking77", "en"),
        ("eprstmt_zh", "zh"),
        ("waimai_10k_zh", "zh"),
    ):
        path = data / name / f"{name}.csv"
        if not path.exists():
            continue
        with path.open(encoding="utf-8", newline="") as file:
            texts = [line["text"] for line in csv.DictReader(file)]
        texts = random.Random(1).sample(texts, 300)
        cells = []
        for rival, finder in finders.items():
            if language == "zh" and rival not in READS_CHINESE:
                cells.append("-")
                continue
            kinds = [kind for spans in finder(language)(texts) for _start, _end, kind in spans]
            names = [kind for kind in kinds if kind not in OPEN_KINDS or kind in NAMES]
            cells.append(f"{len(kinds) / 3:.1f} / {len(names) / 3:.1f}")
        row(f"{name}: in 100 texts", cells)


def row(name: str, cells: Iterable[str]) -> None:
    """Print a row of a Markdown table."""
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument(
        "--spacy", type=Path, help="an unpacked spaCy model; default: the installed base, else the small one"
    )
    parser.add_argument(
        "--peers", type=Path, help="the folder of the peers' environments; without it Skerry runs alone"
    )
    parser.add_argument("--rows", type=int, default=750, help="sentences with numbers, and as many with traps")
    parser.add_argument("--kinds", action="store_true", help="print recall by label, too")
    arguments = parser.parse_args()
    finders = {"skerry": ours(arguments.spacy)}
    if arguments.peers:
        model = spacy_entities.locate(arguments.spacy)
        finders |= {name: peer(name, arguments.peers.resolve(), model) for name in PEERS}
    row("recall / precision", finders)
    row("---", ["---"] * len(finders))
    names_table(sets(arguments.data), finders, arguments.kinds)
    row("recall / precision / traps untouched", finders)
    numbers_table(arguments.rows, finders)
    row("findings: all / names and numbers", finders)
    quiet_table(arguments.data, finders)


if __name__ == "__main__":
    main()
