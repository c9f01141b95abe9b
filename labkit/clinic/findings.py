"""What the doctor finds: a row for each thing it looked at, and the report of them all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from labkit.clinic.secrets import without_secrets
from labkit.display import no_formula

Level = Literal["well", "note", "wrong", "alarm"]

TEXT = {
    "well": "All is well: {count} things looked at in {seconds:.1f} s.",
    "ill": "{wrong} to mend, of {count} things looked at in {seconds:.1f} s.",
    "row": "{mark} {what}",
    "why": "    Why it matters: {why}",
    "command": "    Mend it: {command}",
    "head": "| | what, why it matters, and what mends it |\n|---|:---|",
}
MARKS: dict[Level, str] = {"well": "ok  ", "note": "note", "wrong": "BAD ", "alarm": "!!! "}


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor looked at. "wrong" and "alarm" are to be mended; a "note" is good to know."""

    name: str
    """Which check it comes from, such as "disk"."""
    level: Level
    what: str
    why: str = ""
    command: str = ""
    """What mends it."""
    runs: bool = False
    """Whether `command` can be run as it stands, without harm."""

    def __str__(self) -> str:
        rows = [TEXT["row"].format(mark=MARKS[self.level], what=self.what)]
        rows += [TEXT["why"].format(why=self.why)] if self.why else []
        rows += [TEXT["command"].format(command=self.command)] if self.command else []
        return "\n".join(rows)


@dataclass(frozen=True)
class Report:
    """What the doctor found, the worst first. Truthy where nothing is to be mended. Free of secrets."""

    findings: tuple[Finding, ...]
    seconds: float

    def __bool__(self) -> bool:
        return not self.ill

    @property
    def ill(self) -> tuple[Finding, ...]:
        """What is to be mended."""
        return tuple(each for each in self.findings if each.level in ("wrong", "alarm"))

    @property
    def summary(self) -> str:
        words = TEXT["ill" if self.ill else "well"]
        return words.format(wrong=len(self.ill), count=len(self.findings), seconds=self.seconds)

    def __str__(self) -> str:
        return without_secrets("\n".join([*map(str, self.findings), "", self.summary]))

    __repr__ = __str__

    def as_json(self) -> str:
        """One JSON object: `well`, `seconds`, and `findings` with the fields of Finding."""
        found: dict[str, Any] = {"well": bool(self), "seconds": round(self.seconds, 2)}
        found["findings"] = [asdict(each) for each in self.findings]
        return without_secrets(json.dumps(found, indent=2, ensure_ascii=False))

    def _repr_markdown_(self) -> str:
        rows = []
        for each in self.findings:
            command = f"`{each.command}`" if each.command else ""
            said = "<br>".join(filter(None, (each.what, each.why, command)))  # one column: pages are narrow
            rows.append(f"| {MARKS[each.level].strip()} | {said.replace('|', '&#124;')} |")
        table = "\n".join([TEXT["head"], *rows])
        return no_formula(without_secrets(f"{table}\n\n**{self.summary}**"))
