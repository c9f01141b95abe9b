"""Drills: faults started on purpose, to be seen, diagnosed and cured. `labkit.drill("tools-empty")`."""

from __future__ import annotations

from labkit.clinic.drills import asking, elsewhere, serving
from labkit.clinic.drills.contract import Drill, Outcome, Verdict
from labkit.clinic.drills.stage import sweep
from labkit.display import Progress
from labkit.errors import LabkitError

__all__ = ["Drill", "Outcome", "Verdict", "drill", "names", "sweep"]

TEXT = {"unknown": "There is no drill {name!r}. There are: {known}."}

_DRILLS: tuple[type[Drill], ...] = (
    serving.ToolsEmpty,
    serving.ParserFlag,
    serving.ImagesFlag,
    serving.MixedFormats,
    serving.ContextTooLong,
    serving.TextOnly,
    serving.PortTaken,
    serving.DeadEngine,
    asking.TooHot,
    asking.WrongName,
    asking.WrongKey,
    asking.NoV1,
    asking.NobodyThere,
    asking.OtherService,
    asking.PromptTooLong,
    asking.ToolId,
    asking.LastWord,
    asking.BadImage,
    elsewhere.OllamaName,
    elsewhere.OllamaImage,
    elsewhere.OllamaSpilled,
    elsewhere.OldSnippet,
    elsewhere.FourBit,
    elsewhere.CorruptWeights,
    elsewhere.DiskFull,
)


def names() -> dict[str, str]:
    """The drills, and what goes wrong in each, in a few words."""
    return {each.name: each.title for each in _DRILLS}


def known() -> dict[str, type[Drill]]:
    """The drills by their names."""
    return {each.name: each for each in _DRILLS}


def drill(name: str, *, progress: bool = True) -> Drill:
    """Start a fault. Then `look`, `guess`, `cure`; `close` leaves nothing behind (a `with` does it for you).

    progress: say what is happening meanwhile. Raises LabkitError for an unknown name, and where this machine
    cannot play it.
    """
    if name not in known():
        raise LabkitError(TEXT["unknown"].format(name=name, known=", ".join(known())))
    return known()[name](Progress(progress))
