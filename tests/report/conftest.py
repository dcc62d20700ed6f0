"""Inputs made once: nothing changes them."""

import pytest

from slt.report.inputs import ReportInputs
from tests.report import fakes


@pytest.fixture(scope="session")
def full() -> ReportInputs:
    return fakes.full()


@pytest.fixture(scope="session")
def two_bumps() -> ReportInputs:
    return fakes.two_bumps()
