"""A tool: a plain Python function, and the schema that offers it to a model."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pydantic
from pydantic.fields import FieldInfo

from labkit.errors import LabkitError
from labkit.tools.describing import described
from labkit.tools.schemas import plain

TEXT = {
    "no_function": "{found} is no function. Hand over the function itself (`tools=[get_stock_price]`): a "
    "schema says what can be called, and cannot be called.",
    "no_name": "{name!r} cannot be a tool's name: letters, digits, `_` and `-` are allowed, 64 at most. "
    "`tools.tool(function, name=...)` gives it one.",
    "no_hint": "The parameter {parameter!r} of {name} has no type hint, so nothing can be said of it to a "
    "model. Write one, such as `{parameter}: str`.",
    "unnamed": "{name} takes {parameter}, and a model passes arguments by name. Give it named parameters.",
    "unknown_hint": "The type hints of {name} cannot be read: {why}.",
    "no_schema": "The parameters of {name} cannot be said in JSON: {why}. Use str, int, float, bool, lists, "
    "dictionaries, Literal, enums, or pydantic models of these.",
    "twice": "Two tools are called {name}. A model knows them by their names: `tools.tool(f, name=...)`.",
}

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HIDDEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)


class BadArguments(Exception):
    """Arguments that do not fit the schema. Its message is for the model: where, and what is wrong there."""


@dataclass(frozen=True)
class Tool:
    """What can be offered, validated and called."""

    name: str
    description: str
    function: Callable[..., Any]
    approval: bool
    """Whether someone must agree before each call."""
    model: type[pydantic.BaseModel]
    """The parameters; each stands under an alias, so that none can clash with pydantic's own names."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        made = plain(self.model.model_json_schema())
        made.pop("additionalProperties", None)  # checked, but not worth the tokens to say
        return {"type": "object", "properties": {}} | made

    @property
    def schema(self) -> dict[str, Any]:
        """What goes into `tools=[...]` of a request."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    def validated(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the function wants them: models and enums made, defaults left to the function.

        Raises BadArguments.
        """
        try:
            made = self.model.model_validate(arguments)
        except pydantic.ValidationError as error:
            raise BadArguments(_faults(error)) from None
        fields = type(made).model_fields
        given = [each for each in fields if each in made.model_fields_set]
        return {str(fields[each].alias): getattr(made, each) for each in given}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def tool(
    function: Callable[..., Any] | None = None, *, name: str | None = None, approval: bool = False
) -> Any:
    """Make a tool of a function with type hints and a docstring; also as a decorator.

    The docstring's first words say what it does; what stands beside a parameter's name (in the styles of
    Google, NumPy or Sphinx), or in `Annotated[str, "..."]`, describes the parameter. name: another name than
    the function's. approval: ask before each call. Raises LabkitError for what cannot be a tool.
    """
    if function is None:
        return partial(tool, name=name, approval=approval)
    if isinstance(function, Tool):
        return function
    if not callable(function):
        raise LabkitError(TEXT["no_function"].format(found=f"This {type(function).__name__}"))
    inner = function.func if isinstance(function, partial) else function
    known = str(name or getattr(inner, "__name__", type(inner).__name__))
    if not _NAME.fullmatch(known):
        raise LabkitError(TEXT["no_name"].format(name=known))
    purpose, words = described(inner, inspect.signature(function).parameters)
    return Tool(known, purpose, function, approval, _model(function, known, words))


def toolbox(tools: Any) -> dict[str, Tool]:
    """The tools by name. Raises LabkitError for what is none, and for a name that stands for two."""
    found: dict[str, Tool] = {}
    for each in [tool(one) for one in tools]:
        if each.name in found:
            raise LabkitError(TEXT["twice"].format(name=each.name))
        found[each.name] = each
    return found


def _model(function: Callable[..., Any], name: str, words: dict[str, str]) -> type[pydantic.BaseModel]:
    inner = function.func if isinstance(function, partial) else function
    hinted = inner if inspect.isroutine(inner) else inner.__call__  # type: ignore[operator]
    try:
        hints = get_type_hints(hinted, include_extras=True)
    except Exception as error:
        raise LabkitError(TEXT["unknown_hint"].format(name=name, why=error)) from None
    fields: dict[str, Any] = {}
    for number, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind in _HIDDEN:
            raise LabkitError(TEXT["unnamed"].format(name=name, parameter=parameter))
        if parameter.name not in hints:
            raise LabkitError(TEXT["no_hint"].format(name=name, parameter=parameter.name))
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[f"p{number}"] = _field(hints[parameter.name], parameter.name, default, words)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a default that is no JSON is left out of the schema, rightly
            config = pydantic.ConfigDict(extra="forbid")
            made = pydantic.create_model(name, __config__=config, **fields)
            made.model_json_schema()
    except Exception as error:
        why = str(error).strip().splitlines()[0].rstrip(".")
        raise LabkitError(TEXT["no_schema"].format(name=name, why=why)) from None
    return made


def _field(hint: Any, name: str, default: Any, words: dict[str, str]) -> tuple[Any, Any]:
    description, extras = words.get(name), get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    for extra in extras:
        said = extra if isinstance(extra, str) else getattr(extra, "description", None)
        description = said if isinstance(said, str) and isinstance(extra, str | FieldInfo) else description
    return hint, pydantic.Field(default, alias=name, description=description)


def _faults(error: pydantic.ValidationError) -> str:
    """Each fault as "where: what", the first three of them."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in faults[:3]]
    return "; ".join(lines)
