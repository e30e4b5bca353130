"""Run one peer in its own environment: python read.py PEER LANGUAGE [FOLDER] reads a JSON list of texts on stdin, writes a JSON list of spans.

A span is [start, end, kind], kinds under Skerry's names where they mean the same. Nothing of Skerry is imported here. Peers: `presidio` and
`presidio+organization` (FOLDER is the spaCy model), `argus-redact`, `scrubadub`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

# What a peer finds beyond names and numbers, and no set annotates: it counts neither for nor against it.
OTHER = {"criminal_record", "financial", "job_title", "medical", "political", "sexual_orientation"}
Read = Callable[[str], list[tuple[int, int, str]]]
KINDS = {
    "address": "ADDRESS", "age": "AGE", "company": "ORGANIZATION", "date": "DATE", "date_of_birth": "DATE", "date_time": "DATE", "ethnicity": "NATIONALITY", "gpe": "LOCATION", "hometown": "LOCATION",
    "hospital": "ORGANIZATION", "institution": "ORGANIZATION",  "location": "LOCATION", "name": "PERSON", "nationality": "NATIONALITY", "nrp": "NATIONALITY", "organization": "ORGANIZATION",
    "person": "PERSON", "religion": "NATIONALITY", "school": "ORGANIZATION", "workplace": "ORGANIZATION",
}  # fmt: skip


def presidio(folder: str, organization: bool) -> Read:
    """Return stock Presidio over the spaCy model in `folder`, without its way out (tldextract asks two hosts at the first e-mail address)."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    ignored = "CARDINAL EVENT LANGUAGE LAW MONEY ORDINAL PERCENT PRODUCT QUANTITY WORK_OF_ART".split()  # noqa: SIM905
    ignored += [] if organization else ["ORGANIZATION", "ORG"]
    engine = SpacyNlpEngine(ner_model_configuration=NerModelConfiguration(labels_to_ignore=ignored))
    engine.nlp = {"en": spacy.load(folder)}
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    return lambda text: [(each.start, each.end, each.entity_type) for each in analyzer.analyze(text, "en")]


def argus(language: str) -> Read:
    """Return argus-redact in its mode without models (the models that it can use come from a hub); words it keeps as they are do not count."""
    import warnings

    from argus_redact import redact

    warnings.simplefilter("ignore")

    def read(text: str) -> list[tuple[int, int, str]]:
        found = redact(text, lang=["zh", "en"] if language == "zh" else "en", detailed=True, salt=b"0" * 32)[2][
            "entities"
        ]
        return [(each["start"], each["end"], each["type"]) for each in found if each["type"] != "self_reference"]

    return read


def scrubadub_default() -> Read:
    """Return scrubadub with the detectors that it turns on by itself."""
    import scrubadub

    scrubber = scrubadub.Scrubber()
    return lambda text: [(each.beg, each.end, each.type) for each in scrubber.iter_filth(text)]


def make(peer: str, language: str, folder: str) -> Read:
    """Return the reader of a peer."""
    if peer.startswith("presidio"):
        return presidio(folder, organization=peer.endswith("organization"))
    return argus(language) if peer == "argus-redact" else scrubadub_default()


def main() -> None:
    """Read texts, write spans."""
    peer, language, *folder = sys.argv[1:]
    read = make(peer, language, *folder or [""])
    texts: list[str] = json.load(sys.stdin)
    spans: list[Any] = [
        [(start, end, "OTHER" if kind in OTHER else KINDS.get(kind.lower(), kind)) for start, end, kind in read(text)]
        for text in texts
    ]
    json.dump(spans, sys.stdout)


if __name__ == "__main__":
    main()
