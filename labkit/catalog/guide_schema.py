"""What labkit/catalog/guide.yaml may say: a row for each command, code step and claim of the guide."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Words = Annotated[str, Field(min_length=1)]


class GuideRow(BaseModel):
    """One thing that the guide says. It shows itself as a table of three rows (see labkit/guide.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    section: Words
    kind: Literal["claim", "shell", "python"]
    """A claim is prose (Markdown). A line of shell is one command; Python has a statement a line."""
    guide: Words
    """As given by the guide."""
    today: str = ""
    """What works now; what the guide says where `same` is true."""
    why: Words
    """One sentence."""
    lesson: Literal["00", "01", "02", "03", "04", "05", "06", "07"]
    """The notebook that teaches it."""
    same: bool = False
    """Whether nothing has changed."""

    @model_validator(mode="before")
    @classmethod
    def _today_or_same(cls, row: dict[str, object]) -> dict[str, object]:
        if bool(row.get("today")) == bool(row.get("same")):
            raise ValueError("give either `today` or `same: true`")
        return {**row, "today": row["guide"]} if row.get("same") else row

    @model_validator(mode="after")
    def _fits_in_a_cell(self) -> Self:
        """A table's cell holds neither an indented line nor a backtick inside code."""
        if self.kind != "claim":
            for line in f"{self.guide}\n{self.today}".splitlines():
                if "`" in line or line.startswith(" "):
                    raise ValueError("code must have no backtick and no indented line")
        return self

    def _repr_markdown_(self) -> str:
        from labkit.guide import as_markdown

        return as_markdown(self)
