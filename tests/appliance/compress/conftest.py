"""A tiny student: two layers, hidden 32, two heads, with a head of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.compress import student
from appliance.compress.student import Student
from tests.fakes import tiny_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch model folder with three labels."""
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def tiny(model_folder: Path) -> Student:
    """The student that lies in `model_folder`."""
    return student.read(model_folder)
