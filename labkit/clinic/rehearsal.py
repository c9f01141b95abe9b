"""A set-up for more cards than there are, rehearsed on the pocket twin: a tiny server beside yours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from labkit.clinic.drills.stage import Playing, Stage
from labkit.display import Progress
from labkit.engines import vllm
from labkit.errors import LabkitError
from labkit.hardware import machine

TEXT = {
    "one_gpu": "vLLM's build for GPUs wants {cards} GPUs for this, and here are fewer. On a machine without "
    "any, the twin rehearses it on processor cores.",
    "died": "The rehearsal's server did not start: {why}",
}


@contextmanager
def rehearsal(*, cards: int, progress: bool = True) -> Iterator[Playing]:
    """The twin with each layer split over `cards` GPUs, or over as many processor cores where there is none.

    It has a session and a log (`said`), and is gone after the block; your own server runs on. Raises
    LabkitError where there are GPUs, but too few.
    """
    if vllm.build() == "cuda" and len(machine().gpus) < cards:
        raise LabkitError(TEXT["one_gpu"].format(cards=cards))
    show = Progress(progress)
    stage = Stage("rehearsal", show)
    try:
        played = stage.serve(lambda recipe: replace(recipe, cards=cards))
        show.close()
        if played.session is None:
            raise LabkitError(TEXT["died"].format(why=vllm.last_words(played.said)))
        yield played
    finally:
        show.close()
        stage.close()
