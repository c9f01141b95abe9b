"""What an exercise is: the contract that every one keeps, its outcomes, and the blank."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from labkit.display import no_formula
from labkit.errors import LabkitError

TEXT = {
    "correct": "Correct",
    "not_yet": "Not yet",
    "not_tried": "Not tried",
    "raised": "Could not be checked",
    "blank": "There is still a blank (____) here: put your answer in its place, then run the cell again.",
}


class Blank:
    """The placeholder `____`. What is made from it is a blank again, so an unfinished cell still runs."""

    def __getattr__(self, name: str) -> Blank:
        if name.startswith("_"):  # IPython, copy and pickle ask for these
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Blank:
        return self

    def __getitem__(self, _: Any) -> Blank:
        return self

    def __iter__(self) -> Any:
        raise LabkitError(TEXT["blank"])

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "____"


BLANK = Blank()
"""`____`, the one blank of the course."""


class Kind(enum.StrEnum):
    """How a check ended. Its value is the key of its name in `TEXT`."""

    CORRECT = "correct"
    NOT_YET = "not_yet"
    NOT_TRIED = "not_tried"
    RAISED = "raised"


_MARKS = {Kind.CORRECT: "✅", Kind.NOT_YET: "🔸", Kind.NOT_TRIED: "⬜", Kind.RAISED: "⚠️"}


@dataclass(frozen=True)
class Outcome:
    """What a check says. True where the answer is correct."""

    kind: Kind
    sentence: str
    """What was found, what was wanted, the next step."""
    note: str = ""
    """Something beside the answer, such as that progress could not be kept."""

    def __bool__(self) -> bool:
        return self.kind is Kind.CORRECT

    def __str__(self) -> str:
        return "\n\n".join(filter(None, [f"{TEXT[self.kind]}. {self.sentence}", self.note]))

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        head = f"{_MARKS[self.kind]} **{TEXT[self.kind]}.** {self.sentence}"
        return no_formula("\n\n".join(filter(None, [head, self.note and f"*{self.note}*"])))


class NotYet(Exception):
    """Raised inside a check for an answer that is not right yet. Its message is the sentence to show."""


@dataclass(frozen=True)
class Texts:
    """All that a learner reads of one exercise."""

    title: str
    hints: tuple[str, ...]
    """From a nudge to nearly the solution."""
    correct: str
    not_yet: Mapping[str, str]
    """A sentence for each way to be wrong, with `{names}` for what was found."""


class Exercise:
    """One exercise. A subclass sets `id`, `texts` and `code`, and says in `check` what makes an answer right.

    check(answer, session=None) -> Outcome
        answer: what the learner hands over; never empty (a blank, None, "", an empty list) since that is
        "not tried" and dealt with before. session: the live model, for a check that has to ask it; None
        where there is none, so a check of a saved answer works without.
        Judge live answers by their properties (words there are, numbers in a range, calls made), never by one
        exact text: the model may say it otherwise tomorrow. Return `self.correct(...)` or
        `self.not_yet("key", ...)`; what `grading` raises (NotYet) is an outcome as well. Never change the
        answer, print, or catch errors: whatever else is raised becomes the outcome "raised".

    code: the solution, as a cell. It may use `session` and `check`, imports all else, and its last line is
    the call of `check`.
    """

    id: ClassVar[str]
    texts: ClassVar[Texts]
    code: ClassVar[str]

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """Grade `answer`; see the contract above."""
        raise NotImplementedError

    def correct(self, **found: Any) -> Outcome:
        """The praise, with what was found."""
        return Outcome(Kind.CORRECT, self.texts.correct.format(**found))

    def not_yet(self, key: str, **found: Any) -> Outcome:
        """The sentence `key` of `texts.not_yet`, with what was found."""
        return Outcome(Kind.NOT_YET, self.texts.not_yet[key].format(**found))


def shown(value: Any, longest: int = 60) -> str:
    """`value` as code in a sentence: one line, cut short."""
    text = " ".join((value if isinstance(value, str) else repr(value)).replace("`", "'").split())
    return f"`{text if len(text) <= longest else text[: longest - 1] + '…'}`"
