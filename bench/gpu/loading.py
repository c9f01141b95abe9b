"""What is asked of a live model: loads of many streams, and pictures. labkit's probes measure."""

from __future__ import annotations

import io
import random
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Timer
from typing import Any

from bench.gpu.configurations import Configuration, Load
from labkit import catalog
from labkit.errors import LabkitError
from labkit.probes import speed
from labkit.probes.speed import Speed
from labkit.session import Session

TEXT = {"late": "no time was left for {left}", "cut": "the time was up during {what}"}
_EDGE = 110
"""Pixels of a square of one colour in a picture: small enough to differ, large enough to pack well."""


def ask(
    sessions: Session | list[Session], asked: Configuration, deadline: float, found: dict[str, Any]
) -> dict[str, Any]:
    """Every load and every number of pictures of the configuration, while there is time.

    Several sessions are replicas, which share the streams. `found` is filled as the figures come, so that
    what was measured is kept whatever happens then. deadline: of time.monotonic().
    """
    every = sessions if isinstance(sessions, list) else [sessions]
    speeds: list[dict[str, Any]] = found.setdefault("speeds", [])
    pictures: list[dict[str, Any]] = found.setdefault("pictures", [])
    left_out: list[str] = found.setdefault("left_out", [])
    for load in asked.loads:
        what = f"{load.streams} streams"
        if time.monotonic() > deadline:
            left_out.append(TEXT["late"].format(left=what))
            continue
        try:
            speeds.append(_speed(every, load, deadline))
        except KeyboardInterrupt:
            left_out.append(TEXT["cut"].format(what=what))
        except LabkitError as error:
            left_out.append(f"{what}: {error}")
    for count in asked.pictures:
        what = f"{count} pictures"
        if time.monotonic() > deadline:
            left_out.append(TEXT["late"].format(left=what))
            continue
        try:
            pictures.append(_look(every[0], asked.model, count))
        except LabkitError as error:
            left_out.append(f"{what}: {error}")
    return found


def _speed(sessions: list[Session], load: Load, deadline: float) -> dict[str, Any]:
    stopping = Event()
    timer = Timer(max(1.0, deadline - time.monotonic()), stopping.set)
    timer.daemon = True
    timer.start()

    def one(session: Session) -> Speed:
        streams = max(1, load.streams // len(sessions))
        return speed(
            session, streams=streams, prompt_tokens=load.prompt, max_tokens=load.answer, stopping=stopping
        )

    try:
        used = sessions[: load.streams]
        with ThreadPoolExecutor(len(used)) as pool:
            measured = list(pool.map(one, used))
    finally:
        timer.cancel()
    both = Speed(
        tuple(each for found in measured for each in found.streams),
        max(found.seconds for found in measured),
        measured[0].prompt_tokens,
    )
    return {
        "streams": load.streams,
        "prompt_tokens": both.prompt_tokens,
        "answer_tokens": both.tokens / len(both.streams),
        "tokens_per_s": both.tokens_per_s,
        "first_token_ms": 1000 * both.first_token(50),
        "first_token_p95_ms": 1000 * both.first_token(95),
        "per_token_ms": _ms(both.per_token(50)),
        "per_token_p95_ms": _ms(both.per_token(95)),
        "seconds": both.seconds,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _look(session: Session, model: str, count: int) -> dict[str, Any]:
    """One request with so many pictures of the largest size, each a new one; one word of answer."""
    vision = catalog.model(model).vision
    assert vision is not None
    shown = [_picture(vision.image_size) for _ in range(count)]
    reply = session.chat("What is in the pictures?", image=shown, max_tokens=2, temperature=0)
    if reply.interrupted:
        raise LabkitError(reply.interrupted)
    return {
        "pictures": count,
        "pixels": vision.image_size,
        "prompt_tokens": reply.usage.prompt_tokens if reply.usage else None,
        "first_token_ms": _ms(reply.first_token_s),
        "seconds": reply.seconds,
    }


def _picture(edge: int) -> bytes:
    """A square of coloured squares, as a PNG."""
    from PIL import Image

    small = max(1, edge // _EDGE)
    image = Image.frombytes("RGB", (small, small), random.randbytes(3 * small * small))
    buffer = io.BytesIO()
    image.resize((edge, edge), Image.Resampling.NEAREST).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
