"""What every drill gives: a fault started for real, its symptom, its cure, and the proof of healing."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self

from labkit import catalog
from labkit.clinic.drills.stage import Stage
from labkit.diagnosis import Diagnosis, diagnose
from labkit.display import Progress, no_formula
from labkit.errors import LabkitError

TEXT = {
    "opened": "**Drill: {title}**\n\n{story}\n\n`drill.look()` shows the symptom, `drill.choices` the causes "
    'to choose from, `drill.guess("...")` takes your diagnosis, `drill.cure()` mends it.',
    "no_fault": "The fault of the drill {name} did not show: it worked. Start the drill again; if it works "
    "again, `labkit doctor` may know why.",
    "right": "Right: {title}. {cause}",
    "wrong": "Not that: {why} Look at the first line that names an error, then choose again.",
    "wrong_why": '"{title}" would say `{sample}`.',
    "unknown": "{name!r} is none of the choices. They are: {choices}.",
    "healed": "Healed. {cure} What failed before works now: `{text}`",
    "not_healed": "It still fails: `{text}`",
    "closed": "This drill is over. Start it again with labkit.drill({name!r}).",
    "seen": "What you see:",
}
_LONGEST, _LONGEST_LINE = 1500, 300


@dataclass(frozen=True)
class Outcome:
    """One try at what the drill is about: whether it worked, and what a learner sees."""

    ok: bool
    text: str

    def __str__(self) -> str:
        return f"{TEXT['seen']}\n{self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{TEXT['seen']}</p><pre>{html.escape(self.text)}</pre>"


@dataclass(frozen=True)
class Verdict:
    """Whether a diagnosis is right, in a sentence."""

    right: bool
    sentence: str

    def __str__(self) -> str:
        return self.sentence

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return no_formula(self.sentence)


class Drill(ABC):
    """A fault of one's own making. Use it in a `with`, or call `close` when done: nothing stays behind.

    A subclass names itself and says what to do; `attempt` is the same try before and after the cure.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """What the learner tries, in a few words; it must not give the cause away."""
    story: ClassVar[str]
    symptom: ClassVar[str]
    """Its cause: an id of labkit/catalog/symptoms.yaml."""
    choices: ClassVar[tuple[str, ...]]
    """Causes to choose from, the right one among them."""
    cured: ClassVar[str]
    """What `cure` does, in a sentence."""
    standin: ClassVar[bool] = False
    """Whether it plays on the stand-in for Ollama."""

    def __init__(self, show: Progress | None = None) -> None:
        self.show = show or Progress(on=False)
        self.stage = Stage(self.name, self.show)
        self.seen: Outcome | None = None
        self.healed = False
        self._open = True
        try:
            self.fault()
        except BaseException:
            self.close()
            raise
        finally:
            self.show.close()

    @abstractmethod
    def fault(self) -> None:
        """Start the fault."""

    @abstractmethod
    def attempt(self) -> Outcome:
        """Try what the drill is about."""

    @abstractmethod
    def mend(self) -> None:
        """Apply the cure."""

    def look(self) -> Outcome:
        """Try it, and see the symptom. Raises LabkitError if the fault does not show."""
        self._check_open()
        self.seen = self._tried()
        if self.seen.ok:
            self.close()
            raise LabkitError(TEXT["no_fault"].format(name=self.name))
        return self.seen

    def diagnosis(self) -> Diagnosis:
        """What labkit.diagnose makes of the symptom."""
        return diagnose((self.seen or self.look()).text)

    def guess(self, cause: str) -> Verdict:
        """Your diagnosis: one of `choices`."""
        if cause not in self.choices:
            raise LabkitError(TEXT["unknown"].format(name=cause, choices=", ".join(self.choices)))
        chosen = catalog.symptoms()[cause]
        if cause == self.symptom:
            return Verdict(True, TEXT["right"].format(title=chosen.title, cause=self._cause()))
        sample = " ".join(chosen.sample.split())
        why = TEXT["wrong_why"].format(title=chosen.title, sample=sample[:160].replace("`", "'"))
        return Verdict(False, TEXT["wrong"].format(why=why))

    def cure(self) -> Verdict:
        """Mend it, and try again: `healed` says whether it works now."""
        self._check_open()
        tried = self._tried(mended=True)
        self.healed = tried.ok
        text = " ".join(tried.text.replace("`", "'").split())[:300]
        return Verdict(
            tried.ok, TEXT["healed" if tried.ok else "not_healed"].format(cure=self.cured, text=text)
        )

    def close(self) -> None:
        """End it: processes, ports and files go. Safe to repeat."""
        if self._open:
            self._open = False
            self.stage.close()

    def _tried(self, mended: bool = False) -> Outcome:
        """Interrupted or failed, the drill is over, and nothing of it stays."""
        try:
            if mended:
                self.mend()
            tried = self.attempt()
        except BaseException:
            self.close()
            raise
        finally:
            self.show.close()
        return Outcome(tried.ok, _readable(tried.text))

    def _cause(self) -> str:
        found = self.diagnosis().cause
        return found.cause if found else ""

    def _check_open(self) -> None:
        if not self._open:
            raise LabkitError(TEXT["closed"].format(name=self.name))

    def _repr_markdown_(self) -> str:
        return TEXT["opened"].format(title=self.title, story=self.story)

    def __repr__(self) -> str:
        return f"Drill({self.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _readable(text: str) -> str:
    """The end of a text, without the steps of progress bars, its longest lines cut."""
    lines = (line.rpartition("\r")[2] for line in text.splitlines(keepends=False))
    kept = [line[:_LONGEST_LINE] for line in lines if line.strip() and "it/s]" not in line]
    return "\n".join(kept)[-_LONGEST:]
