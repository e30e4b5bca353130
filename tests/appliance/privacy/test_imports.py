"""Scrubbing loads no torch, and hides nothing from anybody afterwards."""

import importlib
import subprocess
import sys

import pytest

from appliance.privacy.imports import without


def test_scrubbing_loads_no_torch() -> None:
    code = (
        "import sys; from appliance.privacy import Scrubber\n"
        "assert Scrubber.from_settings('auto').find(['NHS number 943 476 5919'])[0]\n"
        "print(sorted({'torch', 'transformers', 'spacy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "['spacy']", done.stderr


def test_the_package_itself_loads_nothing_heavy() -> None:
    code = "import sys, appliance.privacy; print(sorted({'torch', 'spacy', 'onnxruntime', 'presidio_analyzer', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_is_hidden_comes_back() -> None:
    sys.modules.pop("colorsys", None)
    with without(("colorsys", "json")):
        importlib.import_module("json")  # loaded already: untouched
        with pytest.raises(ImportError):
            importlib.import_module("colorsys")
    assert importlib.import_module("colorsys")
