"""What a class needs, before anything is rented: the model's memory by the planner, and the learners' own."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from labkit import planner
from labkit.planner.planning import Plan
from labkit.planner.rows import Row

TEXT = {
    "title": "{learners} learners, {context:,} tokens each, on {cards}",
    "best": "Serve {title}: {total:.1f} of {cards_gib:.1f} GiB, and room for {tokens:,} tokens of "
    "conversation: all {learners} at once, up to {longest:,} tokens each.",
    "typing": "A class types more than it asks: with a quarter of it asking at the same moment, {quarter} "
    "learners have {longest:,} tokens each.",
    "speed": "One learner alone reads at most {alone:.0f} tokens a second. What many at once get is "
    "measured, not planned: probes.sweep(session), as in lesson 02.",
    "none": "No recipe for vLLM holds {learners} learners with {context:,} tokens each on {cards}:",
    "why": "- {title}: {why}. {instead}.",
    "price": "A day costs {low:.2f} to {high:.2f} dollars by the guide.",
    "no_price": "The guide names no price for this card.",
    "host": "The machine itself: {ram:.0f} GiB of memory ({each:.2f} for each learner's server and kernels, "
    "and {base:.0f} for the system, hub and engine), {cores} CPU cores or more, and {disk:.0f} GiB of disk "
    "({disk_each:.1f} for each learner, packages and weights beside).",
}
SEAT_GIB = 0.45
"""A learner's server (0.11 GiB measured, shared pages divided) and kernels (0.08 each after an answer), with
plots and a second notebook allowed for."""
_BASE_GIB = 8.0
_LEARNERS_A_CORE = 8
_DISK_EACH_GIB = 0.5
_DISK_BASE_GIB = 15.0


@dataclass(frozen=True)
class ClassPlan:
    """A plan for a class; shows itself as text."""

    learners: int
    plan: Plan
    best: Row | None
    """The vLLM recipe with the most bits that holds the whole class at once; None where none does."""
    ram_gib: float
    cores: int
    disk_gib: float

    def __str__(self) -> str:
        need, cards = self.plan.need, self.plan.cards
        lines = [TEXT["title"].format(learners=self.learners, context=need.context, cards=cards), ""]
        lines += self._model() if self.best else self._nothing()
        prices = cards.dollars_a_day
        lines.append(TEXT["price"].format(low=prices[0], high=prices[1]) if prices else TEXT["no_price"])
        lines.append(
            TEXT["host"].format(
                ram=self.ram_gib,
                each=SEAT_GIB,
                base=_BASE_GIB,
                cores=self.cores,
                disk=self.disk_gib,
                disk_each=_DISK_EACH_GIB,
            )
        )
        return "\n".join(textwrap.fill(line, 110) for line in lines)

    def _model(self) -> list[str]:
        best = self.best
        assert best is not None
        facts = {
            "title": best.title,
            "total": best.memory.total,
            "cards_gib": self.plan.cards.total_gib,
            "tokens": best.kv_tokens,
            "learners": self.learners,
            "longest": best.longest_context,
        }
        lines = [TEXT["best"].format(**facts)]
        quarter = max(1, -(-self.learners // 4))
        lines.append(TEXT["typing"].format(quarter=quarter, longest=best.kv_tokens // quarter))
        if best.decode_ceiling:
            lines.append(TEXT["speed"].format(alone=best.decode_ceiling, learners=self.learners))
        return lines

    def _nothing(self) -> list[str]:
        need, cards = self.plan.need, self.plan.cards
        lines = [TEXT["none"].format(learners=self.learners, context=need.context, cards=cards)]
        advice = {each.title: each for each in self.plan.advice}
        for row in _served(self.plan):
            if found := advice.get(row.title):
                lines.append(TEXT["why"].format(title=row.title, why=found.why, instead=found.instead))
        return lines


def class_plan(learners: int, context: int, gpu: str | None, count: int | None = None) -> ClassPlan:
    """What `learners` need who each hold `context` tokens. gpu: as for `labkit plan`. Raises LabkitError."""
    plan = planner.plan(gpu, count, context, users=learners)
    fitting = [row for row in _served(plan) if row.fits]
    return ClassPlan(
        learners,
        plan,
        max(fitting, key=lambda row: row.memory.weights, default=None),
        ram_gib=_BASE_GIB + SEAT_GIB * learners,
        cores=max(4, -(-learners // _LEARNERS_A_CORE)),
        disk_gib=_DISK_BASE_GIB + _DISK_EACH_GIB * learners + _weights_gib(plan, fitting),
    )


def _served(plan: Plan) -> list[Row]:
    """The recipes of the model itself in the engine that serves many at once."""
    return [row for row in plan.rows if row.engine == "vllm" and row.device == "cuda"]


def _weights_gib(plan: Plan, fitting: list[Row]) -> float:
    rows = fitting or _served(plan)
    return max((row.memory.weights + row.memory.vision for row in rows), default=0.0)
