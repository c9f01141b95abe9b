"""The one error that a learner meets: a sentence or three, and no traceback."""

from __future__ import annotations

import errno
import os

TEXT = {
    "full": "The disk is full: {what} needs more room. Free some space (`df -h .` shows how much there is), "
    "then run the same again.",
}


class LabkitError(RuntimeError):
    """Something a learner can mend. Its message says what happened, why, and the command that mends it."""

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show in place of a traceback."""
        return [f"LabkitError: {self}"]


def disk_full(error: Exception, what: str) -> LabkitError | None:
    """The sentence for a full disk (or quota) while writing `what`, or None for any other error.

    Libraries that write by themselves (safetensors is one) put the system's words into an error of their own.
    """
    full = (errno.ENOSPC, errno.EDQUOT)
    if getattr(error, "errno", None) in full or os.strerror(errno.ENOSPC) in str(error):
        return LabkitError(TEXT["full"].format(what=what))
    return None
