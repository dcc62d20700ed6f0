import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slt.training.grid import SPACINGS, checkpoint_steps

STEPS = st.integers(1, 10**9)
COUNTS = st.integers(2, 1000)


@given(STEPS, COUNTS, st.sampled_from(SPACINGS))
def test_increases_from_zero_to_the_last_step_within_the_count(steps, checkpoints, spacing):
    grid = checkpoint_steps(steps, checkpoints, spacing)
    assert grid.dtype == np.int64
    assert grid[0] == 0
    assert grid[-1] == steps
    assert np.all(np.diff(grid) > 0)
    assert 2 <= len(grid) <= checkpoints


@given(STEPS, COUNTS)
def test_linear_gaps_differ_by_rounding_alone_and_none_is_lost(steps, checkpoints):
    gaps = np.diff(checkpoint_steps(steps, checkpoints, "linear"))
    assert np.ptp(gaps) <= 1
    if steps >= checkpoints:
        assert len(gaps) == checkpoints - 1


@given(STEPS, COUNTS)
def test_log_gaps_never_shrink_beyond_rounding_and_leave_no_hole_early(steps, checkpoints):
    grid = checkpoint_steps(steps, checkpoints, "log")
    assert np.all(np.diff(grid, 2) >= -1)
    ratio = steps ** (1 / max(checkpoints - 2, 1))
    later = grid[1:].astype(float)
    assert np.all(later[1:] - 0.5 <= ratio * (later[:-1] + 0.5) * (1 + 1e-9))


def test_examples():
    np.testing.assert_array_equal(checkpoint_steps(10, 6, "linear"), [0, 2, 4, 6, 8, 10])
    np.testing.assert_array_equal(checkpoint_steps(1000, 5, "log"), [0, 1, 10, 100, 1000])
    np.testing.assert_array_equal(checkpoint_steps(1, 200, "log"), [0, 1])
    np.testing.assert_array_equal(checkpoint_steps(50, 2, "log"), [0, 50])
