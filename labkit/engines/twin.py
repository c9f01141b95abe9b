"""The pocket twin's weights in a folder, for whichever engine loads them."""

from __future__ import annotations

from labkit.display import Progress
from labkit.errors import LabkitError, disk_full

TEXT = {"weights": "preparing the pocket twin's weights"}


def pocket(show: Progress) -> str:
    """The folder with the twin's prepared weights. Raises LabkitError for damaged files and a full disk."""
    from pocket.formats import DamagedWeights, prepare

    show.update(TEXT["weights"])
    try:
        return str(prepare())
    except DamagedWeights as error:
        raise LabkitError(str(error)) from None
    except Exception as error:
        if told := disk_full(error, TEXT["weights"]):
            raise told from None
        raise
