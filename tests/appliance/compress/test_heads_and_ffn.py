"""Which heads and neurons are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from appliance.compress import heads_and_ffn, student
from appliance.compress.heads_and_ffn import Importance, Kept
from appliance.compress.student import Student
from appliance.engine.on_torch import in_batches, logits
from tests.fakes import TEXTS

HEAD = 16  # numbers a head of the tiny model


def _muted(tiny: Student, kept: Kept) -> Student:
    """The whole network with what is not in `kept` multiplied by zero."""

    def mute(network: torch.nn.ModuleDict) -> None:
        for layer, heads, neurons in zip(student.layers(network), kept.heads, kept.neurons, strict=True):
            places = [head * HEAD + place for head in heads for place in range(HEAD)]
            for module, columns in ((layer.attention.output.dense, places), (layer.output.dense, list(neurons))):
                mask = torch.zeros(module.in_features)
                mask[columns] = 1
                module.weight.data *= mask

    return student.with_network(tiny, mute)


def test_narrow_answers_like_the_network_with_the_rest_set_to_zero(tiny: Student) -> None:
    """Cutting by hand equals silencing (2e-8 was measured on real models)."""
    kept = Kept(((1,), (0, 1)), (tuple(range(0, 64, 2)), tuple(range(16))))
    ids = tiny.ids(TEXTS)
    narrow = heads_and_ffn.narrow(tiny, kept)
    np.testing.assert_allclose(
        in_batches(logits, narrow.network, ids), in_batches(logits, _muted(tiny, kept).network, ids), atol=2e-6
    )
    assert student.config(narrow.network)["widths"] == [{"heads": 1, "neurons": 32}, {"heads": 2, "neurons": 16}]


def test_what_is_silent_has_no_importance_and_goes_first(tiny: Student) -> None:
    """Taylor's estimate is zero exactly for parts whose output is multiplied by zero, and the choice leaves those out."""
    kept = Kept(((1,), (0, 1)), (tuple(range(48)), tuple(range(16, 48))))
    muted = _muted(tiny, kept)
    found = heads_and_ffn.importance(muted, muted.ids(TEXTS), [0, 1, 2, 0, 1])
    assert found.heads[0][0] == 0 < found.heads[0][1]
    assert not found.neurons[0][48:].any() and found.neurons[0][:48].all()
    assert heads_and_ffn.choose(found, heads=3, neurons=80) == kept


def test_importance_is_activation_times_gradient(tiny: Student) -> None:
    """For one row it is |d loss / d scale| of the neuron, taken here by finite differences in double precision."""
    text, target = TEXTS[0], 2
    ids = tiny.ids([text])
    found = heads_and_ffn.importance(tiny, ids, [target])
    neuron, step = 5, 1e-3
    losses = []
    for scale in (1 - step, 1 + step):
        network = student.with_network(
            tiny, lambda network, scale=scale: _scale(network, neuron, scale)
        ).network.double()  # type: ignore[misc]
        answer = logits(network, torch.tensor(ids), torch.ones((1, len(ids[0])), dtype=torch.int64))
        losses.append(torch.nn.functional.cross_entropy(answer, torch.tensor([target])).item())
    assert found.neurons[1][neuron] == pytest.approx(abs(losses[1] - losses[0]) / (2 * step), rel=1e-2)


def _scale(network: torch.nn.ModuleDict, neuron: int, scale: float) -> None:
    student.layers(network)[1].output.dense.weight.data[:, neuron] *= scale


def test_the_choice_is_uneven_and_leaves_no_layer_empty() -> None:
    """The most important anywhere stay, yet each layer keeps a head and 16 neurons; numbers come in rising order."""
    neurons = (np.arange(64, dtype=np.float32) + 100, np.ones(64, np.float32))
    found = Importance((np.array([3, 1, 2], np.float32), np.array([0.1, 0.3, 0.2], np.float32)), neurons)
    kept = heads_and_ffn.choose(found, heads=4, neurons=70)
    assert kept.heads == ((0, 1, 2), (1,))
    assert kept.neurons == (tuple(range(16, 64)), tuple(range(16)))


@pytest.mark.parametrize(("heads", "neurons"), [(1, 64), (5, 64), (2, 31), (2, 144)])
def test_a_choice_that_cannot_be_is_refused(heads: int, neurons: int) -> None:
    """Fewer than one head and 16 neurons a layer, or more than there are."""
    scores = (np.ones(2, np.float32), np.ones(2, np.float32))
    found = Importance(scores, (np.ones(64, np.float32), np.ones(64, np.float32)))
    with pytest.raises(ValueError, match="cannot keep"):
        heads_and_ffn.choose(found, heads, neurons)
