"""The fast head: probabilities, margins, warm starts, cross-validation."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.errors import InputError
from labeling.head import cross_validated, dealt, fit, scan
from tests.labeling.test_choose import clouds


def test_a_head_learns_and_its_probabilities_add_up() -> None:
    points, targets = clouds(400, 5)
    head = fit(points[:200], targets[:200], 5)
    found = head.probabilities(points)
    assert found.shape == (400, 5) and found.dtype == np.float32
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert np.mean(found[200:].argmax(1) == targets[200:]) > 0.9
    assert np.array_equal(head.probabilities(points, [7, 3]), found[[7, 3]])


def test_two_labels_give_the_same_probabilities_as_one_sigmoid() -> None:
    from sklearn.linear_model import LogisticRegression

    points, targets = clouds(300, 2, spread=0.6)
    found = fit(points, targets, 2).probabilities(points)
    model = LogisticRegression(C=20.0, max_iter=300).fit(points.astype(np.float32), targets)
    assert np.allclose(found, model.predict_proba(points.astype(np.float32)), atol=1e-4)


@pytest.mark.parametrize("labels", [2, 4])
def test_a_warm_start_ends_where_a_cold_one_does(labels: int) -> None:
    """A head that starts from an earlier one, which knew fewer labels, tells the same in the end."""
    points, targets = clouds(400, labels, spread=0.4)
    early = np.flatnonzero(targets[:50] != 0)
    start = fit(points[early], targets[early], labels)
    cold, warm = fit(points, targets, labels), fit(points, targets, labels, start=start)
    assert np.allclose(cold.probabilities(points), warm.probabilities(points), atol=0.02)


def test_labels_nobody_has_given_have_no_probability() -> None:
    points, targets = clouds(200, 3)
    head = fit(points, targets + 2, 7)
    found = head.probabilities(points)
    assert head.seen.tolist() == [2, 3, 4] and found.shape == (200, 7)
    assert not found[:, [0, 1, 5, 6]].any()


def test_one_label_is_certain_and_none_is_refused() -> None:
    points, _targets = clouds(10, 2)
    head = fit(points, [3] * 10, 5)
    assert head.probabilities(points)[:, 3].tolist() == [1.0] * 10
    margins, best = scan(head, points)
    assert margins.tolist() == [1.0] * 10 and best.tolist() == [3] * 10
    with pytest.raises(InputError, match="label some records first"):
        fit(points[:0], [], 5)


def test_the_scan_tells_what_the_probabilities_tell() -> None:
    """Margin = best minus second best probability, over more rows than one chunk holds."""
    points, targets = clouds(9000, 6, spread=0.5)
    head = fit(points[:300], targets[:300], 6)
    margins, best = scan(head, points)
    ordered = np.sort(head.probabilities(points), axis=1)
    assert np.allclose(margins, ordered[:, -1] - ordered[:, -2], atol=1e-5)
    assert np.array_equal(best, head.probabilities(points).argmax(1))


def test_cross_validated_probabilities_do_not_know_the_row() -> None:
    """A row with a wrong label is told by the others: its own label gets a low probability, where a head that learned it gives a high one."""
    points, targets = clouds(300, 3)
    given = targets.copy()
    given[:10] = (targets[:10] + 1) % 3
    held_out, learned = cross_validated(points, given, 3), fit(points, given, 3, strength=1e4).probabilities(points)
    rows = np.arange(10)
    assert held_out[rows, given[:10]].mean() < 0.2 < learned[rows, given[:10]].mean()
    assert np.array_equal(held_out, cross_validated(points, given, 3))


def test_a_label_with_one_row_has_no_probability_there() -> None:
    points, targets = clouds(50, 2)
    given = [2, *targets[1:].tolist()]
    assert cross_validated(points, given, 3)[0, 2] == 0


def test_folds_hold_each_label_evenly() -> None:
    targets = np.array([0] * 50 + [1] * 10 + [2] * 5)
    fold = dealt(targets, 5, np.random.default_rng(0))
    assert {tuple(np.bincount(fold[targets == label], minlength=5)) for label in range(3)} == {
        (10,) * 5,
        (2,) * 5,
        (1,) * 5,
    }
