"""Recall, precision and speed of `scrub` beside stock Presidio, in one run: python benchmarks/scrub.py [--data FOLDER] [--spacy FOLDER].

Recall is leak-free: a span counts only when all its letters and digits are masked. A predicted span is right when at least half of its letters and digits
lie in a gold span. Sets of names count only the kinds they annotate. Rules were tuned on the other halves: presidio_synth_v2 reports the
templates with odd numbers, CLUENER2020 its test part, WNUT17 its valid part. Presidio reads English with the same spaCy model; it has nothing for
Chinese. Speed is documents a CPU second on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from chinese_numbers import sentences

from appliance.privacy import Scrubber
from appliance.privacy.recognizers.spacy_entities import locate

Span = tuple[int, int, str]
Finder = Callable[[Sequence[str]], list[list[Span]]]
TITLE = {"TITLE"}  # titles stay in the text on purpose
WNUT = {"person", "location"}
CLUENER = {"name", "address", "scene", "company", "organization", "government"}
NAMES = {"PERSON", "LOCATION", "ADDRESS", "ORGANIZATION"}
PEOPLE_AND_PLACES = {"PERSON", "LOCATION", "ADDRESS"}
RIVAL_NAMES = {"PERSON", "LOCATION"}


def read(
    path: Path, keep: Callable[[dict[str, Any]], bool], labels: Callable[[str], bool]
) -> list[tuple[str, list[Span]]]:
    """Read texts and gold spans of a JSONL set."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return [
        (row["text"], [(s["start"], s["end"], s["label"]) for s in row["spans"] if labels(s["label"])])
        for row in rows
        if keep(row)
    ]


def score(
    gold: Iterable[tuple[str, list[Span]]], found: list[list[Span]], kinds: set[str] | None = None
) -> tuple[float, float]:
    """Return leak-free recall and precision."""
    spans = hidden = predicted = right = 0
    for (text, wanted), got in zip(gold, found, strict=True):
        masked, personal = bytearray(len(text)), bytearray(len(text))
        for start, end, _kind in got:
            masked[start:end] = b"\1" * (end - start)
        for start, end, _label in wanted:
            personal[start:end] = b"\1" * (end - start)
            spans += 1
            hidden += all(masked[place] for place in range(start, end) if text[place].isalnum())
        for start, end, kind in got:
            letters = [place for place in range(start, end) if text[place].isalnum()]
            if letters and (kinds is None or kind in kinds):
                predicted += 1
                right += 2 * sum(personal[place] for place in letters) >= len(letters)
    return hidden / max(spans, 1), right / max(predicted, 1)


def ours(scrubber: Scrubber) -> Finder:
    """Return the scrubber as a finder."""
    return lambda texts: [[(each.start, each.end, each.kind) for each in found] for found in scrubber.find(texts)]


def presidio(folder: Path | None, organization: bool) -> Finder:
    """Return stock Presidio over the same model, without its way out (tldextract asks two hosts)."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    ignored = [
        "CARDINAL",
        "EVENT",
        "LANGUAGE",
        "LAW",
        "MONEY",
        "ORDINAL",
        "PERCENT",
        "PRODUCT",
        "QUANTITY",
        "WORK_OF_ART",
    ]
    engine = SpacyNlpEngine(
        ner_model_configuration=NerModelConfiguration(
            labels_to_ignore=ignored + ([] if organization else ["ORGANIZATION", "ORG"])
        )
    )
    engine.nlp = {"en": spacy.load(locate(folder))}
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    return lambda texts: [
        [(each.start, each.end, each.entity_type) for each in analyzer.analyze(text, "en")] for text in texts
    ]


def quality(data: Path, finders: dict[str, Finder]) -> None:
    """Print recall / precision of each finder on each set."""
    synth = read(
        data / "presidio_synth_v2/presidio_synth_v2.jsonl",
        lambda row: row["template_id"] % 2 == 1,
        lambda label: label not in TITLE,
    )
    wnut = read(data / "wnut17_train/wnut17_train.jsonl", lambda row: row["split"] == "valid", WNUT.__contains__)
    cluener = read(
        data / "cluener2020_zh/cluener2020_zh.jsonl", lambda row: row["split"] == "test", CLUENER.__contains__
    )
    names = read(
        data / "cluener2020_zh/cluener2020_zh.jsonl", lambda row: row["split"] == "test", {"name"}.__contains__
    )
    plain, hidden = (sentences(1500, hidden=hidden, seed=7) for hidden in (False, True))
    sets: list[tuple[str, list[tuple[str, list[Span]]], set[str] | None]] = [
        ("presidio_synth_v2 odd", synth, None),
        ("wnut17 valid person+location", wnut, PEOPLE_AND_PLACES),
        ("cluener test names", cluener, NAMES),
        ("cluener test person", names, {"PERSON"}),
        (
            "Chinese numbers",
            [row[:2] for row in plain],
            {kind for _text, spans, _trap in plain for _s, _e, kind in spans},
        ),
        (
            "Chinese numbers, hidden",
            [row[:2] for row in hidden],
            {kind for _text, spans, _trap in hidden for _s, _e, kind in spans},
        ),
    ]
    print(f"{'recall / precision':32}" + "".join(f"{name:>24}" for name in finders))
    for name, gold, kinds in sets:
        if not gold:
            print(f"{name:32}{'(not there)':>24}")
            continue
        cells = []
        for rival, finder in finders.items():
            if rival != "skerry" and not name.startswith(("presidio", "wnut")):
                cells.append("-")  # Presidio reads no Chinese
                continue
            found = finder([text for text, _spans in gold])
            recall, precision = score(gold, found, kinds if rival == "skerry" else RIVAL_NAMES if kinds else None)
            cells.append(f"{recall:.3f} / {precision:.3f}")
        print(f"{name:32}" + "".join(f"{cell:>24}" for cell in cells))
    traps = [row for row in plain if row[2]]
    found = finders["skerry"]([text for text, _spans, _trap in traps])
    print(f"{'traps untouched':32}{sum(not spans for spans in found) / len(traps):>24.3f}")


def speed(data: Path, finders: dict[str, Finder]) -> None:
    """Print documents a CPU second on short and long documents."""
    path = data / "presidio_synth_v2/presidio_synth_v2.jsonl"
    short = [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()][:500]
    long = ["\n".join(short[place : place + 40]) for place in range(0, len(short), 40)]
    print(f"\n{'documents a CPU second':32}" + "".join(f"{name:>24}" for name in finders))
    for name, texts in (
        (f"short ({sum(map(len, short)) // len(short)} characters)", short),
        (f"long ({sum(map(len, long)) // len(long)})", long),
    ):
        rates = []
        for finder in finders.values():
            finder(texts[:5])
            start = time.process_time()
            finder(texts)
            rates.append(len(texts) / (time.process_time() - start))
        print(f"{name:32}" + "".join(f"{rate:>17.1f} ({rate / rates[-1]:.1f}x)" for rate in rates))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument(
        "--spacy", type=Path, help="an unpacked spaCy model; default: the installed base, else the small one"
    )
    arguments = parser.parse_args()
    finders = {
        "skerry": ours(Scrubber.from_settings("auto", spacy_folder=arguments.spacy)),
        "presidio + ORGANIZATION": presidio(arguments.spacy, organization=True),
        "presidio": presidio(arguments.spacy, organization=False),
    }
    quality(arguments.data, finders)
    if (arguments.data / "presidio_synth_v2").exists():
        speed(arguments.data, finders)


if __name__ == "__main__":
    main()
