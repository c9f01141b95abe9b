"""Functions become tools: their schemas, and arguments validated against them."""

from __future__ import annotations

import enum
from functools import partial
from typing import Annotated, Any, Literal, Optional

import pydantic
import pytest

from labkit.errors import LabkitError
from labkit.tools import BadArguments, tool, toolbox


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Holding(pydantic.BaseModel):
    """A row of a portfolio."""

    ticker: str = pydantic.Field(description="Ticker symbol")
    shares: int


class Node(pydantic.BaseModel):
    value: int
    children: list[Node] = []


def weather(city: str, unit: Unit = Unit.CELSIUS, days: int | None = None) -> str:
    """Get the weather
    of a city.

    Args:
        city: Name of the city,
            such as Bonn
        unit (Unit): Unit of temperature

    Returns:
        city: never a parameter.
    """
    return f"{city} {unit} {days}"


def numpy_style(low: float, high: float) -> float:
    """Draw a number.

    Parameters
    ----------
    low : float
        The lower end
    high : float
        The upper end
    """
    return low + high


def sphinx_style(name: str) -> str:
    """Greet.

    :param str name: Who is greeted
    :return: words
    """
    return name


def house_style(name: str) -> str:
    """Greet. name: who is greeted, in the middle of a sentence, is no description.

    name: who is greeted.
    """
    return name


def value(holdings: list[Holding], mode: Literal["fast", "exact"] = "fast") -> list[Any]:
    """Value of a portfolio."""
    return [holdings, mode]


def test_a_schema_of_the_usual_kinds() -> None:
    assert tool(weather).schema == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Get the weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Name of the city, such as Bonn"},
                    "unit": {
                        "type": "string",
                        "description": "Unit of temperature",
                        "enum": ["celsius", "kelvin"],
                        "default": "celsius",
                    },
                    "days": {"type": "integer"},
                },
                "required": ["city"],
            },
        },
    }


def test_a_list_of_objects_and_a_choice() -> None:
    shown = tool(value).parameters["properties"]
    row = {
        "type": "object",
        "description": "A row of a portfolio.",
        "properties": {
            "ticker": {"type": "string", "description": "Ticker symbol"},
            "shares": {"type": "integer"},
        },
        "required": ["ticker", "shares"],
    }
    assert shown["holdings"] == {"type": "array", "items": row}
    assert shown["mode"] == {"type": "string", "enum": ["fast", "exact"], "default": "fast"}


@pytest.mark.parametrize(
    ("function", "purpose", "words"),
    [
        (numpy_style, "Draw a number.", {"low": "The lower end", "high": "The upper end"}),
        (sphinx_style, "Greet.", {"name": "Who is greeted"}),
        (
            house_style,
            "Greet. name: who is greeted, in the middle of a sentence, is no description.",
            {"name": "who is greeted."},
        ),
    ],
)
def test_docstrings_of_other_styles(function: Any, purpose: str, words: dict[str, str]) -> None:
    made = tool(function)
    found = {name: each.get("description") for name, each in made.parameters["properties"].items()}
    assert (made.description, found) == (purpose, words)


def test_annotated_wins_over_the_docstring() -> None:
    def f(
        a: Annotated[int, "in words"], b: Annotated[int, pydantic.Field(ge=1, description="a field")]
    ) -> None:
        """f.

        a: no
        b: no
        """

    shown = tool(f).parameters["properties"]
    assert shown["a"] == {"type": "integer", "description": "in words"}
    assert shown["b"] == {"type": "integer", "description": "a field", "minimum": 1}


def test_names_that_pydantic_uses_itself() -> None:
    def f(schema: str, model_config: int, copy: bool, _hidden: str = "", title: str = "") -> None:
        """f."""

    made = tool(f)
    assert list(made.parameters["properties"]) == ["schema", "model_config", "copy", "_hidden", "title"]
    given = {"schema": "s", "model_config": 1, "copy": True}
    assert made.validated(given) == given


def test_a_default_that_is_no_json_stays_with_the_function() -> None:
    def f(a: int, b: Any = object()) -> Any:  # noqa: B008
        """f."""

    made = tool(f)
    assert "default" not in made.parameters["properties"]["b"] and made.validated({"a": 1}) == {"a": 1}


def test_optional_without_a_default_may_be_null() -> None:
    def f(a: Optional[str]) -> None:  # noqa: UP045
        """f."""

    made = tool(f)
    assert made.parameters["properties"]["a"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert made.validated({"a": None}) == {"a": None}


def test_a_type_that_contains_itself() -> None:
    def f(tree: Node) -> None:
        """f."""

    shown = tool(f).parameters
    assert shown["properties"]["tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert shown["$defs"]["Node"]["properties"]["value"] == {"type": "integer"}


def test_arguments_become_what_the_function_wants() -> None:
    made = tool(value).validated({"holdings": [{"ticker": "AAPL", "shares": "10"}]})
    assert made == {"holdings": [Holding(ticker="AAPL", shares=10)]}
    assert tool(weather).validated({"city": "Bonn", "unit": "kelvin"})["unit"] is Unit.KELVIN


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "holdings: Field required"),
        ({"holdings": {}}, "holdings: Input should be a valid list"),
        ({"holdings": [{"ticker": "AAPL"}]}, "holdings.0.shares: Field required"),
        ({"holdings": [], "mode": "slow"}, "mode: Input should be 'fast' or 'exact'"),
        ({"holdings": [], "day": 1}, "day: Extra inputs are not permitted"),
    ],
)
def test_bad_arguments_say_where(arguments: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadArguments, match=fault):
        tool(value).validated(arguments)


def test_names_methods_and_partials() -> None:
    class Shop:
        def price(self, item: str) -> float:
            """Price of an item."""
            return 1.0

        def __call__(self, item: str) -> float:
            """Buy an item."""
            return 2.0

    assert tool(Shop().price).parameters["required"] == ["item"]
    assert tool(Shop()).name == "Shop" and tool(Shop())(item="x") == 2.0
    fixed = tool(partial(value, mode="exact"))
    assert fixed.name == "value" and fixed.parameters["required"] == ["holdings"]

    @tool(name="other", approval=True)
    def f() -> None:
        """f."""

    assert (f.name, f.approval, f.parameters) == ("other", True, {"type": "object", "properties": {}})
    assert tool(f) is f and f() is None


def unhinted(a) -> None:  # type: ignore[no-untyped-def]
    """a: no hint."""


def several(*names: str) -> None:
    """Takes any number."""


def wrong_hint(a: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Names a type that is not there."""


def of_a_thread(a: object(), b: Literal[b"x"] = b"x") -> None:  # type: ignore[valid-type]
    """Takes what JSON has not."""


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ({"type": "function"}, "This dict is no function"),
        (lambda: 1, "'<lambda>' cannot be a tool's name"),
        (unhinted, "'a' of unhinted has no type hint"),
        (several, r"several takes \*names"),
        (wrong_hint, "hints of wrong_hint cannot be read"),
        (of_a_thread, "cannot be said in JSON|cannot be read"),
    ],
)
def test_what_cannot_be_a_tool(function: Any, sentence: str) -> None:
    with pytest.raises(LabkitError, match=sentence):
        tool(function)


def test_two_tools_of_one_name() -> None:
    with pytest.raises(LabkitError, match="Two tools are called weather"):
        toolbox([weather, weather])
