"""What the guide says, what works today, and why: labkit/catalog/guide.yaml, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from pydantic import TypeAdapter

from labkit import catalog
from labkit.catalog.guide_schema import GuideRow
from labkit.errors import LabkitError

TEXT = {
    "row": "| | |\n|---|---|\n| **The guide says** | {guide} |\n| **What works today** | {today} |\n"
    "| **Why** | {why} |",
    "same": "the same",
    "head": "| section | the guide says | what works today | why | lesson |\n|---|---|---|---|---|",
    "lesson_head": "| the guide says | what works today | why |\n|---|---|---|",
    "unknown": "The guide has no row {name!r}. {near}",
    "near": "Did you mean {names}?",
    "all": "labkit.guide.table() shows them all.",
}


@cache
def rows() -> Mapping[str, GuideRow]:
    """Every row of the guide by its id, in the guide's order."""
    listed = TypeAdapter(tuple[GuideRow, ...]).validate_python(catalog.load("guide"))
    return {each.id: each for each in listed}


def row(name: str) -> GuideRow:
    """One row of the guide, such as "vllm-vision". Raises LabkitError, with the nearest names."""
    if name not in rows():
        close = get_close_matches(name, rows(), n=3, cutoff=0.5)
        near = TEXT["near"].format(names=" or ".join(close)) if close else TEXT["all"]
        raise LabkitError(TEXT["unknown"].format(name=name, near=near))
    return rows()[name]


class Table(str):
    """A table in Markdown; a notebook shows it as one."""

    def _repr_markdown_(self) -> str:
        return str(self)


def table(lesson: str | None = None) -> Table:
    """All rows of the guide as one Markdown table, or those that a lesson ("02") teaches."""
    if lesson is None:
        return Table("\n".join([TEXT["head"], *map(_line, rows().values())]))
    chosen = [f"| {' | '.join(_cells(each))} |" for each in rows().values() if each.lesson == lesson]
    return Table("\n".join([TEXT["lesson_head"], *chosen]))


def as_markdown(found: GuideRow) -> str:
    """A row as a table of three rows: the guide says, what works today, why."""
    guide, today, why = _cells(found)
    return TEXT["row"].format(guide=guide, today=today, why=why)


def _line(found: GuideRow) -> str:
    return f"| {' | '.join([found.section, *_cells(found), found.lesson])} |"


def _cells(found: GuideRow) -> tuple[str, str, str]:
    """The three texts as they stand in a table's cells."""
    code = found.kind != "claim"
    today = TEXT["same"] if found.same else _cell(found.today, code)
    return _cell(found.guide, code), today, _cell(found.why, False)


def _cell(text: str, code: bool) -> str:
    lines = [f"`{line}`" if code else line for line in text.strip().splitlines()]
    return "<br>".join(lines).replace("|", "\\|")
