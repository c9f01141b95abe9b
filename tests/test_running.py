"""Which engine takes which variant, and what is said where none does."""

import pytest

from labkit import running
from labkit.engines.contract import Engine, Status
from labkit.errors import LabkitError


@pytest.mark.parametrize(
    ("variant", "name", "engine"),
    [
        ("pocket", "auto", "vllm"),
        ("pocket", "ollama", "ollama"),
        ("pocket", "transformers", "transformers"),
        ("Q4_K_M", "auto", "ollama"),
        ("W4A16", "auto", "vllm"),
        ("BF16", "auto", "vllm"),
        ("BF16", "transformers", "transformers"),
        ("NF4", "auto", "transformers"),
        ("/my/weights", "auto", "vllm"),
        ("/my/weights", "transformers", "transformers"),
        ("mistral-small3.1:latest", "ollama", "ollama"),
    ],
)
def test_the_engine_of_a_variant(variant: str, name: str, engine: str) -> None:
    assert running.choose(variant, name) == engine


def test_an_engine_that_does_not_take_the_variant() -> None:
    with pytest.raises(LabkitError, match=r"vllm does not take the variant Q4_K_M.*runs in: ollama"):
        running.choose("Q4_K_M", "vllm")


def test_an_unknown_engine() -> None:
    with pytest.raises(LabkitError, match=r"no engine 'tgi'. There are: vllm, ollama, transformers"):
        running.engine("tgi")


class Idle:
    """An engine with nothing to do, or with a server."""

    def __init__(self, state: str) -> None:
        self.state = state

    def status(self, ping_s: float = 5.0) -> Status:
        return Status(self.state, self.state)

    def stop(self) -> bool:
        stopped, self.state = self.state != "none", "none"
        return stopped


def test_status_and_stop_over_all_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = {"vllm": Idle("none"), "ollama": Idle("ready"), "transformers": Idle("ready")}

    def engine(name: str) -> Engine:
        return engines[name]  # type: ignore[return-value]

    monkeypatch.setattr(running, "engine", engine)
    assert running.status().state == "ready" and running.status("vllm").state == "none"
    assert running.stop() and [e.state for e in engines.values()] == ["none"] * 3
    assert not running.stop() and running.status().state == "none"
