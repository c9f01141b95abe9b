"""From an error, a log or a pasted message to its cause and its cure: `labkit.diagnose`.

It stands right of the catalog and left of the engines: they and the session end their errors by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit import catalog
from labkit.catalog.symptom_schema import PLACEHOLDER, Symptom
from labkit.errors import LabkitError

TEXT = {
    "none": "No known cause is named here. Read the first error, not the last one; `labkit doctor` looks at "
    "the machine and the server.",
    "empty": "There is nothing to diagnose: the text is empty.",
    "no_file": "There is no file {path}. Give a log's path, the text itself, or the exception.",
    "cause": "Why: {cause}",
    "fix": "Mend it: {fix}",
    "command": "Command: {command}",
    "seen": "Seen: {line}",
    "also": "Seen as well, and mostly a consequence: {titles}",
}
_LONGEST_LINE = 200
_LARGEST_LOG = 2_000_000
"""Bytes of a log's end that are read."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m|\[\d+(?:;\d+)*m")
"""Colours of a terminal, also as they are left when a browser drops their first character."""


@dataclass(frozen=True)
class Cause:
    """A symptom of the catalog, found in a text."""

    name: str
    """Its id in symptoms.yaml."""
    symptom: Symptom
    line: str
    """The line that gave it away."""
    values: dict[str, str]
    """What the message says (a length, a name), by the pattern's groups."""

    @property
    def title(self) -> str:
        return self.symptom.title

    @property
    def cause(self) -> str:
        return self._filled(self.symptom.cause)

    @property
    def fix(self) -> str:
        return self._filled(self.symptom.fix)

    @property
    def command(self) -> str:
        return self._filled(self.symptom.command)

    @property
    def sentence(self) -> str:
        """Cause and cure in one line, for the end of an error."""
        command = f" (`{self.command}`)" if self.command else ""
        return f"{self.cause} {self.fix.rstrip('.')}{command}."

    def _filled(self, text: str) -> str:
        return re.sub(PLACEHOLDER, lambda found: self.values.get(found[1], "…"), text)


@dataclass(frozen=True)
class Diagnosis:
    """What a text says about its cause. Falsy where nothing known is in it."""

    causes: tuple[Cause, ...]
    """The first is the cause; what follows came after it in the text."""

    def __bool__(self) -> bool:
        return bool(self.causes)

    @property
    def cause(self) -> Cause | None:
        return self.causes[0] if self.causes else None

    def __str__(self) -> str:
        return "\n".join(text for _, text in self._lines())

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        from labkit.display import no_formula

        shown = {"title": "**{}**", "command": "```\n{}\n```"}
        return "\n\n".join(
            shown.get(kind, "{}").format(no_formula(text)) for kind, text in self._lines(bare=True)
        )

    def _lines(self, bare: bool = False) -> Iterator[tuple[str, str]]:
        if not self.causes:
            yield "none", TEXT["none"]
            return
        first = self.causes[0]
        yield "title", first.title
        yield "seen", TEXT["seen"].format(line=f"`{first.line}`" if bare else first.line)
        yield "cause", TEXT["cause"].format(cause=first.cause)
        yield "fix", TEXT["fix"].format(fix=first.fix)
        if first.command:
            yield "command", first.command if bare else TEXT["command"].format(command=first.command)
        if self.causes[1:]:
            titles = "; ".join(each.title for each in self.causes[1:])
            yield "also", TEXT["also"].format(titles=titles)


def diagnose(what: BaseException | str | Path) -> Diagnosis:
    """The cause of an error, and what mends it.

    what: an exception, the path of a log, or the message itself. The earliest known cause in the text is
    taken for the cause: what follows is mostly its consequence. Raises LabkitError for an empty text and for
    a Path that does not exist.
    """
    text = _COLOUR.sub("", _text(what).replace("\r", "\n"))
    if not text.strip():
        raise LabkitError(TEXT["empty"])
    found = sorted(_found(text), key=lambda each: each[:2])
    return Diagnosis(tuple(cause for rank, _, cause in found if rank == found[0][0]))


def with_cure(sentence: str, said: BaseException | str, otherwise: str = "") -> str:
    """`sentence`, which quotes what a program said, with the cause and the cure of it at its end.

    The one place where labkit's own errors ask the catalog. said: all that the program said, or what was
    raised. otherwise: how the sentence ends where no cause is known, or where it says the cure already.
    """
    try:
        cause = diagnose(said).cause
    except LabkitError:  # it said nothing
        cause = None
    if cause is None or cause.fix.rstrip(".") in sentence:
        return f"{sentence} {otherwise}".rstrip()
    return f"{sentence} {cause.sentence}"


def _rank(symptom: Symptom) -> int:
    """What counts first: a cause, then what only wraps one, then a refused request (a server survives it)."""
    return 2 if symptom.request else 1 if symptom.envelope else 0


def _found(text: str) -> Iterator[tuple[int, int, Cause]]:
    for name, symptom in catalog.symptoms().items():
        matches = [match for pattern in symptom.patterns if (match := re.search(pattern, text, re.MULTILINE))]
        if not matches:
            continue
        first = min(matches, key=re.Match.start)
        values = {key: value for key, value in first.groupdict().items() if value}
        line = text[text.rfind("\n", 0, first.start()) + 1 :].partition("\n")[0].strip()
        yield _rank(symptom), first.start(), Cause(name, symptom, line[:_LONGEST_LINE], values)


def _text(what: BaseException | str | Path) -> str:
    if isinstance(what, BaseException):
        return "\n".join(told(what))
    if isinstance(what, str) and ("\n" in what or len(what) > 1000 or not _is_file(Path(what))):
        return what
    try:
        with open(what, "rb") as file:
            file.seek(max(0, Path(what).stat().st_size - _LARGEST_LOG))
            return file.read().decode("utf-8", "replace")
    except OSError:
        raise LabkitError(TEXT["no_file"].format(path=what)) from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def told(error: BaseException) -> Iterator[str]:
    """The error and those behind it, a line each, the first to happen first."""
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None:
        yield from told(behind)
    yield f"{type(error).__module__}.{type(error).__qualname__}: {error}"
