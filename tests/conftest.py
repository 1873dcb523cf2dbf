"""Fixtures shared by the tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real recordings that lies beside a developer's checkout; tests skip where it is absent."""
    folder = ROOT.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"real recordings are not at hand: {folder} is absent")
    return folder
