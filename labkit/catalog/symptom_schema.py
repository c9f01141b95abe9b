"""What labkit/catalog/symptoms.yaml may say: a symptom, what causes it, and what mends it."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Words = Annotated[str, Field(min_length=1)]
PLACEHOLDER = r"\{([a-z_]\w*)\}"
"""Where a word of the message goes, in `cause`, `fix` and `command`."""
Area = Literal["vllm", "ollama", "transformers", "cuda", "jupyter", "docker", "machine", "client"]


class Symptom(BaseModel):
    """One cause of trouble, known by what it prints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    area: Area
    title: Words
    """The cause in a few words."""
    patterns: tuple[Words, ...] = Field(min_length=1)
    """Regular expressions; one that is found is enough. `cause`, `fix` and `command` may use named groups."""
    cause: Words
    """Why it happens: a sentence or two."""
    fix: Words
    """What to do: a sentence or two."""
    command: str = ""
    """The command that mends it, or shows the way; "" where there is none."""
    runs: bool = False
    """Whether `command` can be run as it stands, without harm, on the learner's machine."""
    envelope: bool = False
    """Whether it only wraps another error ("see root cause above"): it counts where nothing else is found."""
    request: bool = False
    """Whether it is about one refused request: in a server's log, what ended the server counts more."""
    guide: str = ""
    """The guide's row that it belongs to (an id of guide.yaml), if any."""
    told: bool = False
    """Whether nobody has seen it happen on this project's machines: it is told from its real message."""
    source: Words
    """Where the message was seen."""
    sample: Words
    """A real message, as it was printed."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for pattern in self.patterns:
            try:
                compiled = re.compile(pattern, re.MULTILINE)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
            if compiled.search("") or compiled.search("x = 1\n"):
                raise ValueError(f"{pattern!r} matches anything")
        if not any(re.search(pattern, self.sample, re.MULTILINE) for pattern in self.patterns):
            raise ValueError("no pattern is found in its own sample")
        told = {group for pattern in self.patterns for group in re.compile(pattern).groupindex}
        asked = set(re.findall(PLACEHOLDER, f"{self.cause} {self.fix} {self.command}"))
        if asked - told:
            raise ValueError(f"no pattern has a group {sorted(asked - told)}")
        if self.envelope and self.request:
            raise ValueError("an envelope is about no request")
        if self.runs and (not self.command or "{" in self.command):
            raise ValueError("a command that runs must stand whole")
        return self
