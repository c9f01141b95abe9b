"""Lesson 07, the capstone: a house for thirty, its knee, its router lost, its price, and the checklist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labkit import catalog, planner
from labkit.clinic.readiness import PROMISE_S, capacity, per_s, readiness
from labkit.errors import LabkitError
from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, shown
from labkit.lessons.texts_07 import ROW, TEXT, VERDICT
from labkit.planner.planning import Plan
from labkit.probes import Crowd, Sweep

TITLE = "Capstone"

LEARNERS, CONTEXT = 30, 4096
NEED = 3.0
"""Requests a second: thirty learners, one every ten seconds each."""
_SIZES, _LARGEST = 4, 64
_SLACK = 0.05
_CARDS = "2x RTX 4090"


class House(Exercise):
    """7.1: the cheapest priced machine that holds thirty conversations."""

    id = "7.1"
    texts = TEXT[id]
    code = """\
import labkit

prices = {}
for gpu in ("4090", "2x4090", "3090", "2x3090", "4x3090"):
    plan = labkit.plan(gpu, context=4096, users=30)
    for row in plan.fitting:
        if row.engine == "vllm" and row.device == "cuda":
            prices[gpu, row.variant] = plan.cards.dollars_a_day
gpu, variant = min(prices, key=prices.get)
check("7.1", {"gpu": gpu, "variant": variant})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"gpu": a card or cards, "variant": a variant}."""
        if not isinstance(answer, Mapping) or not {"gpu", "variant"} <= answer.keys():
            return self.not_yet("form", found=shown(answer))
        gpu, variant = str(answer["gpu"]), str(answer["variant"])
        try:
            plan = _plan(gpu)
        except LabkitError as error:
            return self.not_yet("gpu", why=error)
        known = [row.variant for row in plan.rows if row.engine == "vllm" and row.device == "cuda"]
        if variant not in known:
            return self.not_yet("variant", found=shown(variant), known=", ".join(known))
        row = plan.find(variant, "vllm")
        if not row.fits:
            return self.not_yet("small", gpu=plan.cards, variant=variant, why=row.why)
        prices = plan.cards.dollars_a_day
        if prices is None:
            return self.not_yet("price", gpu=plan.cards)
        if prices[0] > min(_priced()) * (1 + _SLACK):
            return self.not_yet("dear", low=prices[0])
        facts = {"gpu": plan.cards, "variant": variant, "context": row.longest_context}
        return self.correct(low=prices[0], high=prices[1], **facts)


class Knee(Exercise):
    """7.2: how many at once keep the promise, and whether that is enough for the class."""

    id = "7.2"
    texts = TEXT[id]
    code = """\
from itertools import takewhile

from labkit import probes

sweep = probes.sweep(session, streams=(1, 4, 16, 64), rounds=1)
kept = list(takewhile(lambda each: each.first_token(95) <= 1, sweep.speeds))
at_once = kept[-1].at_once if kept else 0
rate = len(kept[-1].streams) / kept[-1].seconds if kept else 0
check("7.2", {"sweep": sweep, "at_once": at_once, "enough": rate >= 3})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"sweep": Sweep, "at_once": a number, "enough": bool}."""
        if not _has(answer, "sweep", "at_once", "enough") or not isinstance(answer["sweep"], Sweep):
            return self.not_yet("form", found=shown(answer))
        said, sweep = answer["enough"], answer["sweep"]
        if not isinstance(said, bool):
            return self.not_yet("form", found=shown(said))
        at_once = int(grading.number(answer["at_once"], 0, 100_000, "at once"))
        sizes = [each.at_once for each in sweep.speeds]
        if len(sizes) < _SIZES or max(sizes) < _LARGEST:
            return self.not_yet("few", sizes=", ".join(map(str, sizes)) or "none")
        best = capacity(sweep)
        knee, rate = (best.at_once, per_s(best)) if best else (0, 0.0)
        if at_once > knee:
            broken = next(each for each in sweep.speeds if each.first_token(95) > PROMISE_S)
            wait = broken.first_token(95)
            return self.not_yet("knee", found=at_once, wrong=broken.at_once, wait=wait)
        if at_once < knee:
            return self.not_yet("early", found=at_once, more=knee)
        if said is not (rate >= NEED):
            return self.not_yet("enough", said=said, rate=rate, need=NEED)
        return self.correct(at_once=at_once, rate=rate, need=NEED, verdict=VERDICT[said])


class Router(Exercise):
    """7.3: the router killed in mid-run, and mended by what the doctor says."""

    id = "7.3"
    texts = TEXT[id]
    code = """\
import os
import signal

import labkit
from labkit import home, probes


def kill_router():
    os.kill(home.read().pid, signal.SIGKILL)


crowd = probes.crowd(session, learners=10, pace=2, seconds=6, midway=kill_router)
command = next(each.command for each in labkit.doctor().ill if each.name == "server")
labkit.start()
check("7.3", {"crowd": crowd, "command": command}, session)
"""
    _COMMAND = "labkit up"

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"crowd": Crowd, "command": str}."""
        if not _has(answer, "crowd", "command") or not isinstance(answer["crowd"], Crowd):
            return self.not_yet("form", found=shown(answer))
        crowd, command = answer["crowd"], " ".join(str(answer["command"]).split())
        if crowd.struck_s is None:
            return self.not_yet("unstruck")
        lost = sum(each.outcome == "lost" for each in crowd.after)
        if not lost:
            return self.not_yet("alive")
        if command != self._COMMAND:
            return self.not_yet("command", found=shown(command))
        if session is not None:
            try:
                session.chat("Hello", max_tokens=4).text  # noqa: B018
            except LabkitError:
                return self.not_yet("down")
        return self.correct(lost=lost)


class Price(Exercise):
    """7.4: a million tokens at the class's pace, on two cards."""

    id = "7.4"
    texts = TEXT[id]
    code = """\
from labkit import probes
from labkit.planner import per_million

crowd = probes.crowd(session, pace=10, seconds=10)
check("7.4", {"crowd": crowd, "dollars": per_million(crowd.tokens_per_s, "2x4090")[1]})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"crowd": Crowd, "dollars": a number}."""
        if not _has(answer, "crowd", "dollars") or not isinstance(answer["crowd"], Crowd):
            return self.not_yet("form", found=shown(answer))
        rate = answer["crowd"].tokens_per_s
        if not rate:
            return self.not_yet("nothing")
        dollars = grading.number(answer["dollars"], 0, 1_000_000, "dollars")
        low, right = planner.per_million(rate, _CARDS)
        for key, value in (("one", right / 2), ("low", low)):
            if _near(dollars, value):
                return self.not_yet(key, found=f"{dollars:.3g}")
        if not _near(dollars, right):
            return self.not_yet("wrong", rate=rate, found=f"{dollars:.3g}")
        return self.correct(dollars=dollars)


class Deployment(Exercise):
    """7.5: the whole checklist, asked of the running deployment."""

    id = "7.5"
    texts = TEXT[id]
    code = """\
import os
import signal
from itertools import takewhile

import labkit
from labkit import home, probes
from labkit.planner import per_million


def kill_one():
    os.kill(home.read().replicas[1].pid, signal.SIGKILL)


session = labkit.start(replicas=2)
crowd = probes.crowd(session, pace=10, seconds=20, midway=kill_one)
session = labkit.start(replicas=2)  # brings the dead one back
sweep = probes.sweep(session, streams=(1, 4, 16, 64), rounds=1)
kept = list(takewhile(lambda each: each.first_token(95) <= 1, sweep.speeds))
rate = len(kept[-1].streams) / kept[-1].seconds if kept else 0
mine = {"sweep": sweep, "crowd": crowd, "enough": rate >= crowd.learners / crowd.pace}
mine["dollars"] = per_million(crowd.tokens_per_s, "2x4090")[1]
check("7.5", mine, session)
"""
    _NAMES = frozenset({"sweep", "crowd", "enough", "dollars", "gpu"})

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: what `readiness` takes, as a dict."""
        if not isinstance(answer, Mapping) or not set(answer) <= self._NAMES:
            return self.not_yet("form", found=shown(answer))
        types = {"sweep": Sweep, "crowd": Crowd, "gpu": str}
        for name, wanted in types.items():
            if name in answer and not isinstance(answer[name], wanted):
                return self.not_yet("form", found=shown(answer[name]))
        if session is None:
            return self.not_yet("session")
        report = readiness(session, **answer)
        if report.ill:
            first = report.ill[0]
            words = ROW.format(what=first.what, why=first.why, command=first.command)
            return self.not_yet("rows", count=len(report.ill), first=words)
        return self.correct(count=len(report.findings))


def _plan(gpu: str) -> Plan:
    return planner.plan(gpu, context=CONTEXT, users=LEARNERS)


def _priced() -> Iterator[float]:
    """A day's least price of every machine with one that holds the class under vLLM."""
    for name, card in catalog.gpus().items():
        for count in (1, 2, 4):
            if card.dollars_a_day:
                plan = _plan(f"{count}x {name}")
                if plan.cards.dollars_a_day and any(
                    row.fits for row in plan.rows if row.engine == "vllm" and row.device == "cuda"
                ):
                    yield plan.cards.dollars_a_day[0]


def _has(answer: Any, *names: str) -> bool:
    return isinstance(answer, Mapping) and all(name in answer for name in names)


def _near(value: float, right: float) -> bool:
    return abs(value - right) <= _SLACK * right


EXERCISES: tuple[Exercise, ...] = (House(), Knee(), Router(), Price(), Deployment())
