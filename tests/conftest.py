"""What every test may ask for: the repository's root, and the folder of shared data and oracles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data and oracles: ``CX_SHARED``, else ``../shared`` beside the checkout.

    Where it is not there the test is skipped; where ``CX_SHARED`` promised it, the test fails,
    so that continuous integration cannot pass by skipping.
    """
    promised = os.environ.get("CX_SHARED")
    folder = ROOT / (promised or "../shared")
    if folder.is_dir():
        return folder.resolve()
    if promised:
        pytest.fail(f"shared folder: CX_SHARED names {promised}, which is not there")
    pytest.skip("shared folder is not there (set CX_SHARED to name it)")
