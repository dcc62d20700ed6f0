"""What is said of two phases of which neither overtakes the other: the sample size that is named is one at which
they differ."""

from types import SimpleNamespace

import numpy as np
import pytest

from slt.comparer.pair_data import _uncrossed

NS = np.array([10, 20, 30, 40])


def said(decisive, losses):
    """Of a and b, which lead where `decisive` is -1 and +1, of these losses."""
    members = {name: [SimpleNamespace(loss=loss)] for name, loss in zip("ab", losses, strict=True)}
    odds = SimpleNamespace(decisive=np.array(decisive))
    return _uncrossed(SimpleNamespace(members=members), "a", "b", odds, NS)


@pytest.mark.parametrize("losses", [(0.2, 0.1), (0.1, 0.2)])
def test_a_lead_that_ends_before_the_ladder_is_not_said_to_reach_its_end(losses):
    """From n = 30 on neither phase holds enough to be distinguished."""
    answer, why = said([-1, -1, 0, 0], losses)
    assert answer == ("unknown" if losses[1] < losses[0] else "lacks")
    assert "a leads b at n = 20, the last sample size at which they differ" in why
    assert "continue to larger n" not in why


def test_a_lead_to_the_end_is_said_to_reach_it():
    answer, why = said([0, -1, -1, -1], (0.2, 0.1))
    assert answer == "unknown"
    assert "at n = 40, the last sample size; b has lower loss" in why
    assert why.endswith("continue to larger n")
