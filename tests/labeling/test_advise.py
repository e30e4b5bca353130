"""The advice to stop: what it rests on, and that it tells what it does not know."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.advise import advise, cohen_kappa
from tests.labeling.test_choose import clouds


def test_it_says_go_on_while_labels_bring_much_and_stop_when_they_do_not() -> None:
    """Thirty overlapping labels are not learned from 60 records; five that lie apart are from 200."""
    points, targets = clouds(3000, 30, spread=0.3)
    early = advise(points, range(60), targets[:60].tolist(), 30, range(0, 60, 6))
    points, targets = clouds(3000, 5, spread=0.15)
    late = advise(points, range(200), targets[:200].tolist(), 5, range(0, 200, 10))
    assert not early.stop and early.gap > 0.02 and early.sentence.startswith("go on")
    assert late.stop and late.gap < 0.01 and late.sentence.startswith("stop here")
    assert early.agreement < late.agreement <= 1


def test_what_is_to_come_ends_with_the_records() -> None:
    """The same labels promise less where hardly a record is left without one."""
    points, targets = clouds(4000, 20, spread=0.35)
    known = range(400)
    much = advise(points, known, targets[:400].tolist(), 20, ())
    little = advise(points[:440], known, targets[:400].tolist(), 20, ())
    assert little.gap < 0.5 * much.gap
    assert much.gap_low < much.gap < much.gap_high


def test_accuracy_is_that_of_the_control_slice_alone() -> None:
    """The slice is judged by heads that did not learn from it: labels that cannot be learned are right by chance."""
    points, targets = clouds(400, 4, spread=0.15)
    given = targets.copy()
    given[:80] = np.random.default_rng(0).integers(0, 4, 80)
    told, clean = (advise(points, range(400), given.tolist(), 4, slice_) for slice_ in (range(80), range(80, 400)))
    assert told.accuracy is not None and clean.accuracy is not None
    assert told.accuracy < 0.5 and clean.accuracy > 0.95
    assert told.low <= told.accuracy <= told.high and (told.control, clean.control) == (80, 320)


def test_too_few_labels_give_no_advice() -> None:
    points, targets = clouds(100, 3)
    for count, given in ((10, targets[:10].tolist()), (60, [1] * 60)):
        found = advise(points, range(count), given, 3, ())
        assert not found.stop and found.sentence.startswith("too early")
        assert (found.accuracy, found.low, found.high, found.gap_low, found.gap_high) == (None, 0, 1, 0, 1)


def test_the_same_labels_give_the_same_advice() -> None:
    points, targets = clouds(500, 5)
    assert advise(points, range(100), targets[:100].tolist(), 5, range(9)) == advise(
        points, range(100), targets[:100].tolist(), 5, range(9)
    )


def test_kappa_is_agreement_beyond_chance() -> None:
    """40 of 50 alike where chance gives half of them: (0.8 - 0.5) / (1 - 0.5)."""
    one, other = np.repeat([0, 0, 1, 1], [20, 5, 5, 20]), np.repeat([0, 1, 0, 1], [20, 5, 5, 20])
    assert cohen_kappa(one, other) == pytest.approx(0.6)
    assert cohen_kappa(one, 1 - one) == pytest.approx(-1)
    assert cohen_kappa(one, one) == 1 and cohen_kappa(np.zeros(9, int), np.zeros(9, int)) == 1
