import errno

import pytest

from labkit import LabkitError
from labkit.errors import disk_full


def test_ipython_shows_the_sentence_and_no_traceback() -> None:
    assert LabkitError("What. Why.")._render_traceback_() == ["LabkitError: What. Why."]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "x"),
        OSError(errno.EDQUOT, "x"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_recognised(error: Exception) -> None:
    assert "disk is full" in str(disk_full(error, "the model"))


def test_other_errors_are_left_alone() -> None:
    assert disk_full(PermissionError(errno.EACCES, "x"), "the model") is None
