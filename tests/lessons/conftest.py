"""What the lessons' tests share."""

from __future__ import annotations

import pytest

import labkit

pytest.register_assert_rewrite("tests.lessons.graded")


@pytest.fixture
def live(session: labkit.Session) -> labkit.Session:
    """What a lesson's solutions are run on. A lesson with another engine has a `live` of its own."""
    return session
