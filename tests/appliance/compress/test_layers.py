"""Which layers are kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from appliance.compress import layers, student
from appliance.compress.student import Student
from appliance.engine.on_torch import in_batches, logits
from tests.fakes import TEXTS


def _silenced(tiny: Student, number: int) -> Student:
    """A student whose layer `number` changes (nearly) nothing: it adds zero, and what comes in is normalised already."""

    def silence(network: torch.nn.ModuleDict) -> None:
        for module in network.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.reset_parameters()
        layer = student.layers(network)[number]
        for module in (layer.attention.output.dense, layer.output.dense):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.zeros_(module.bias)

    return student.with_network(tiny, silence)


@pytest.mark.parametrize("silent", [0, 1])
def test_a_layer_that_does_nothing_is_the_least_important(tiny: Student, silent: int) -> None:
    """Ablation sees it, and the greedy choice leaves it out."""
    quiet = _silenced(tiny, silent)
    ids = quiet.ids(TEXTS)
    found = layers.importance(quiet, ids)
    assert found[silent] < 1e-6 < found[1 - silent]
    assert layers.best(quiet, ids, 1) == [1 - silent]


def test_keeping_layers_leaves_the_others_out(tiny: Student) -> None:
    """The student has those layers alone, the source all of its own; without a silent layer the answers stay."""
    quiet = _silenced(tiny, 1)
    kept = layers.keep_layers(quiet, [0])
    ids = quiet.ids(TEXTS)
    assert len(student.layers(kept.network)) == 1 and len(student.layers(quiet.network)) == 2
    assert student.config(kept.network)["num_hidden_layers"] == 1
    np.testing.assert_allclose(in_batches(logits, kept.network, ids), in_batches(logits, quiet.network, ids), atol=1e-5)


@pytest.mark.parametrize("kept", [[], [2], [-1]])
def test_layers_that_are_not_there_are_refused(tiny: Student, kept: list[int]) -> None:
    """A wrong number is a mistake of the caller's."""
    with pytest.raises(ValueError, match="layers that are there"):
        layers.keep_layers(tiny, kept)


def test_divergence_is_the_closed_form() -> None:
    """KL of two answers with two labels each, by hand: 0.9 ln(0.9/0.5) + 0.1 ln(0.1/0.5); of the same answers, zero."""
    one = np.log(np.array([[0.9, 0.1], [0.5, 0.5]]))
    other = np.log(np.array([[0.5, 0.5], [0.5, 0.5]]))
    by_hand = (0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)) / 2
    assert layers.divergence(one, other) == pytest.approx(by_hand)
    assert layers.divergence(one, one) == pytest.approx(0)
