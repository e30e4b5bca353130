"""Speed of `scrub` beside stock Presidio, one core, one run, turn about: python benchmarks/scrub_speed.py [--data FOLDER] [--spacy FOLDER] [--part NAME].

`stock recognizers`: Presidio's own recognizers on the same spaCy weights behind what the scrubber is built of (pipes that names do not need left out,
batches sorted by length, numpy's matrix products, cheap triggers ahead of each recognizer); its spans are compared with stock's one by one.
`balanced`: the scrubber as it ships. `structured`: the tier without models, beside datafog where `--datafog PYTHON` names an environment that has it.
`processes`: one and two processes on the same records. `memory`: the largest memory after 10,000 and 100,000 records. Speeds are characters a CPU second on
one thread; ratios are of CPU seconds, the best of `--rounds` rounds in which the engines take turns.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.privacy import Scrubber, policy, workers
from appliance.privacy.recognizers import spacy_entities
from appliance.settings import ScrubSettings

Span = tuple[int, int, str]
Engine = Callable[[Sequence[str]], list[set[Span]]]

# What must stand in a text before a recognizer of Presidio's can find anything in it.
TRIGGERS = {
    "CreditCardRecognizer": r"(?:\d[- ]?){12}",
    "UsBankRecognizer": r"\d{8}",
    "UsLicenseRecognizer": r"(?i)[A-Z]\d|\d{2}|[A-Z]{2}\d|A-Z\]",
    "UsItinRecognizer": r"9\d\d[- ]?[5-9]\d",
    "UsPassportRecognizer": r"\d{8}",
    "UsSsnRecognizer": r"\d{3}[- .]?\d{2}[- .]?\d{4}|\d{5}[- .]\d{4}|\d{9}",
    "NhsRecognizer": r"\d{3}[- ]?\d{3}[- ]?\d{4}",
    "CryptoRecognizer": r"(?i)[13][a-z0-9]{24}|bc1",
    "DateRecognizer": r"(?i)\d[-/.]\d|\d[-/. ]?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-/ .]*\d|\d{4}-",
    "EmailRecognizer": r"@",
    "IbanRecognizer": r"(?i)[A-Z]{2}\d{2}",
    "IpRecognizer": r"\d\.\d|:",
    "MedicalLicenseRecognizer": r"(?i)[A-Z]{2}[ ]?\d{6}|[A-Z]9\d{6}|[A-Z]\d{7}",
    "MacAddressRecognizer": r"(?i)[0-9a-f]{2}[:-][0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}",
    "UuidRecognizer": r"(?i)[0-9a-f]{8}-",
    "PhoneRecognizer": r"(?:\d[^\d\n]{0,4}?){6}\d",
    "UrlRecognizer": r"\w\.\w|://",
}


def stock(folder: Path) -> tuple[Engine, Any]:
    """Return stock Presidio over the model in `folder`, without its way out (tldextract asks two hosts), and its analyzer."""
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
        "ORGANIZATION",
        "ORG",
    ]
    engine = SpacyNlpEngine(ner_model_configuration=NerModelConfiguration(labels_to_ignore=ignored))
    engine.nlp = {"en": spacy.load(folder)}
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    return lambda texts: [_spans(analyzer.analyze(text, "en")) for text in texts], analyzer


def _spans(results: Iterable[Any]) -> set[Span]:
    return {(each.start, each.end, each.entity_type) for each in results}


class StockRecognizers:
    """Presidio's recognizers and rules behind the scrubber's machinery."""

    def __init__(self, analyzer: Any, folder: Path) -> None:
        from presidio_analyzer import EntityRecognizer
        from presidio_analyzer.nlp_engine import NlpArtifacts

        self._artifacts, self._without_duplicates = NlpArtifacts, EntityRecognizer.remove_duplicates
        self._engine, self._enhancer = analyzer.nlp_engine, analyzer.context_aware_enhancer
        self._english = spacy_entities.load(folder)
        self._entities = analyzer.get_supported_entities("en")
        recognizers = analyzer.registry.get_recognizers("en", all_fields=True)
        self._names = next(each for each in recognizers if each.name == "SpacyRecognizer")
        self._patterns = [(each, re.compile(TRIGGERS[each.name])) for each in recognizers if each is not self._names]

    def find(self, texts: Sequence[str]) -> list[set[Span]]:
        """Return the spans of each text."""
        found: list[set[Span]] = [set() for _text in texts]
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        with self._english.reading(sum(map(len, texts))):
            documents = spacy_entities.documents([texts[index] for index in order], self._english.nlp)
            for index, document in zip(order, documents, strict=True):
                found[index] = self._read(texts[index], document)
        return found

    def _read(self, text: str, document: Any) -> set[Span]:
        entities, scores = self._engine._get_updated_entities(
            document.ents, self._engine._get_scores_for_entities(document)
        )
        artifacts = self._artifacts(entities, document, [], [], None, "en", scores)
        results = self._names.analyze(text, self._entities, artifacts)
        chosen = [recognizer for recognizer, trigger in self._patterns if trigger.search(text)]
        numbers = []
        for recognizer in chosen:
            for result in recognizer.analyze(text=text, entities=self._entities, nlp_artifacts=None) or ():
                result.recognition_metadata |= {result.RECOGNIZER_IDENTIFIER_KEY: recognizer.id}
                numbers.append(result)
        if numbers:
            numbers = self._in_context(text, numbers, document, chosen)
        return _spans(self._without_duplicates(results + numbers))

    def _in_context(self, text: str, results: list[Any], document: Any, recognizers: list[Any]) -> list[Any]:
        # Presidio looks for words among lemmas; without a lemmatizer a word in small letters, less its plural s, does as well.
        words = [token.lower_.rstrip("s") or token.lower_ for token in document]
        places = [token.idx for token in document]
        artifacts = self._artifacts([], document, places, words, self._engine, "en", [])
        enhanced: list[Any] = self._enhancer.enhance_using_context(text, results, artifacts, recognizers)
        return enhanced


def balanced(scrubber: Scrubber) -> Engine:
    """Return the scrubber as an engine that remembers nothing from one round to the next."""

    def find(texts: Sequence[str]) -> list[set[Span]]:
        fresh = Scrubber(scrubber.language, scrubber.scope, scrubber.settings, scrubber.spacy_folder)
        batches = [texts[place : place + 128] for place in range(0, len(texts), 128)]
        return [
            {(each.start, each.end, each.kind) for each in found} for batch in batches for found in fresh.find(batch)
        ]

    return find


def take_turns(
    engines: dict[str, Engine], texts: Sequence[str], rounds: int
) -> dict[str, tuple[float, list[set[Span]]]]:
    """Return the least CPU seconds of each engine and what it found, after one round to warm up on a few texts."""
    best: dict[str, tuple[float, list[set[Span]]]] = {}
    for engine in engines.values():
        engine(texts[:3])
    for _round in range(rounds):
        for name, engine in engines.items():
            start = time.process_time()
            found = engine(texts)
            seconds = time.process_time() - start
            if name not in best or seconds < best[name][0]:
                best[name] = seconds, found
    return best


def against_stock(texts: dict[str, list[str]], folder: Path, rounds: int) -> None:
    """Print speed beside stock, and how many of its spans the stock recognizers give behind our machinery."""
    first, analyzer = stock(folder)
    scrubber = Scrubber.from_settings("auto", spacy_folder=folder)
    engines = {
        "presidio": first,
        "stock recognizers": StockRecognizers(analyzer, folder).find,
        "balanced": balanced(scrubber),
    }
    print(
        f"{'characters a CPU second':42}{'presidio':>12}{'stock recognizers':>24}{'balanced':>20}{'identical spans':>18}"
    )
    for name, each in texts.items():
        best = take_turns(engines, each, rounds)
        size = sum(map(len, each))
        speeds = {engine: size / seconds for engine, (seconds, _found) in best.items()}
        same = identical(best["presidio"][1], best["stock recognizers"][1])
        print(
            f"{name + f' ({len(each)} x {size // len(each)})':42}{speeds['presidio']:>12,.0f}"
            f"{speeds['stock recognizers']:>14,.0f} ({speeds['stock recognizers'] / speeds['presidio']:.2f}x)"
            f"{speeds['balanced']:>12,.0f} ({speeds['balanced'] / speeds['presidio']:.2f}x){same:>17.2%}"
        )


def identical(wanted: list[set[Span]], found: list[set[Span]]) -> float:
    """Return the spans that both found over the spans that either found."""
    both = sum(len(one & other) for one, other in zip(wanted, found, strict=True))
    return both / max(1, sum(len(one | other) for one, other in zip(wanted, found, strict=True)))


def structured(texts: dict[str, list[str]], rounds: int, datafog: Path | None) -> None:
    """Print the speed of the tier without models in MB (10^6 bytes of UTF-8) a CPU second."""
    scrubber = Scrubber.from_settings("auto", policy=replace(policy.load("balanced"), mode="structured-only"))
    print(f"\n{'MB a CPU second':42}{'structured':>12}{'datafog':>12}")
    for name, each in texts.items():
        size = sum(len(text.encode()) for text in each) / 1e6
        ours = take_turns({"structured": balanced(scrubber)}, each, rounds)["structured"][0]
        theirs = size / _datafog(datafog, each, rounds) if datafog else float("nan")
        print(f"{name:42}{size / ours:>12.2f}{theirs:>12.2f}")


_DATAFOG = """
import json, sys, time
from datafog.processing.text_processing.regex_annotator import RegexAnnotator
texts, rounds = json.load(sys.stdin)
engine = RegexAnnotator()
best = 1e9
for _ in range(rounds):
    start = time.process_time()
    for text in texts: engine.annotate(text)
    best = min(best, time.process_time() - start)
print(best)
"""


def _datafog(python: Path, texts: list[str], rounds: int) -> float:
    done = subprocess.run(
        [str(python), "-c", _DATAFOG], input=json.dumps([texts, rounds]), capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def processes(texts: list[str], folder: Path) -> None:
    """Print what a second process brings, in wall-clock time, and whether it finds the same; every text three times, each a little longer."""
    settings = ScrubSettings()
    scrubber = Scrubber.from_settings("en", settings, spacy_folder=folder)
    texts = [text + " " * more for more in range(3) for text in texts]
    batches = [texts[place : place + 128] for place in range(0, len(texts), 128)]
    warm = [[f"{number} " + texts[number]] for number in range(16)]
    seconds, found = {}, {}
    for count in (1, 2):
        with workers.Pool(scrubber, count) as pool:
            list(pool.read(warm))
            start = time.monotonic()
            found[count] = list(pool.read(batches))
            seconds[count] = time.monotonic() - start
    share = os.getloadavg()[0]
    print(
        f"\n2 processes over 1: {seconds[1] / seconds[2]:.2f}x (wall, load {share:.1f}); same findings: {found[1] == found[2]}"
    )


def memory(folder: Path, rows: int) -> None:
    """Print the largest memory after a fifth of `rows` records, when the memo of short texts is full, and after all: different synthetic records
    in English and Chinese."""
    scrubber = Scrubber.from_settings("auto", ScrubSettings(processes=1), spacy_folder=folder)
    batches = ([_record(number) for number in range(place, place + 128)] for place in range(0, rows, 128))
    done = 0
    for found in workers.find_all(batches, scrubber):
        before, done = done, done + len(found)
        if before < rows // 5 <= done or done >= rows:
            print(f"{done:>8} records: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def _record(number: int) -> str:
    word = "".join(chr(97 + (number * 7919 + place * 104729) // 26**place % 26) for place in range(6)).capitalize()
    if number % 4 == 0:
        return f"患者王{chr(0x4E00 + number % 20000)}，电话138{number:08d}，住院号{number}。"
    return f"Record {number}: {word} {word[::-1].capitalize()} called on {number % 28 + 1} May {1950 + number % 70} from {word.lower()}@example.com."


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[1] / "../shared/data")
    parser.add_argument("--spacy", type=Path, help="an unpacked spaCy model; default: the small one")
    parser.add_argument("--part", choices=["stock", "structured", "processes", "memory"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000, help="records of the part `memory`")
    parser.add_argument("--datafog", type=Path, help="the Python of an environment with datafog")
    arguments = parser.parse_args()
    folder = spacy_entities.locate(arguments.spacy)
    wanted = {arguments.part} if arguments.part else {"stock", "structured", "processes", "memory"}
    path = arguments.data / "presidio_synth_v2/presidio_synth_v2.jsonl"
    if path.exists():
        short = [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
        texts = {
            "short: presidio_synth": short[:500],
            "long: 40 of them": ["\n".join(short[n : n + 40]) for n in range(0, 640, 40)],
        }
        complaints = arguments.data / "cfpb_complaints_1k/cfpb_complaints_1k.csv"
        if complaints.exists():
            with complaints.open(encoding="utf-8", newline="") as source:
                texts["complaints"] = [row["text"] for row in csv.DictReader(source)][:60]
        if "stock" in wanted:
            against_stock(texts, folder, arguments.rounds)
        if "structured" in wanted:
            structured(texts, arguments.rounds, arguments.datafog)
        if "processes" in wanted:
            processes(short, folder)
    if "memory" in wanted:
        memory(folder, arguments.rows)


if __name__ == "__main__":
    main()
