"""What is known, as data: each file here is YAML, read by `load` and checked against `schema` by the rest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from labkit.catalog.schema import Card, Engine, Model
from labkit.catalog.symptom_schema import Symptom
from labkit.errors import LabkitError

TEXT = {
    "wrong": "The catalog file {path} is wrong at {where}: {why}.",
    "no_yaml": "The catalog file {path} is not YAML: {why}.",
    "unknown_model": "There is no model {name!r} in the catalog. It knows: {known}.",
}
FOLDER = Path(__file__).parent
MODELS = FOLDER / "models"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads ten times as fast as Python, where PyYAML was built with it."""

_T = TypeVar("_T")


@cache
def load(name: str) -> Any:
    """The contents of `labkit/catalog/<name>.yaml`. Treat it as read-only: it is shared."""
    return _read(FOLDER / f"{name}.yaml")


@cache
def gpus() -> Mapping[str, Card]:
    """The cards that people rent, by name."""
    return _checked(FOLDER / "gpus.yaml", dict[str, Card])


@cache
def engines() -> Mapping[str, Engine]:
    """What each engine needs of a card, by name."""
    return _checked(FOLDER / "engines.yaml", dict[str, Engine])


@cache
def symptoms() -> Mapping[str, Symptom]:
    """What is known to go wrong, by name."""
    return _checked(FOLDER / "symptoms.yaml", dict[str, Symptom])


def models(folder: Path = MODELS) -> list[str]:
    """The names of the models in the catalog: a file each."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


@cache
def model(name: str, folder: Path = MODELS) -> Model:
    """A model by its file's name. Raises LabkitError for an unknown one, and for a file that is wrong."""
    if name not in models(folder):
        raise LabkitError(TEXT["unknown_model"].format(name=name, known=", ".join(models(folder))))
    return _checked(folder / f"{name}.yaml", Model)


@cache
def variants(engine: str) -> tuple[str, ...]:
    """The variants that an engine takes, of all models."""
    recipes = [recipe for name in models() for recipe in model(name).recipes]
    return tuple(dict.fromkeys(recipe.variant for recipe in recipes if recipe.engine == engine))


def _read(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), _LOADER)


def _checked(path: Path, kind: type[_T]) -> _T:
    """The file as `kind`, or a sentence that says what is wrong in it."""
    try:
        return TypeAdapter(kind).validate_python(_read(path))
    except yaml.YAMLError as error:
        raise LabkitError(TEXT["no_yaml"].format(path=path, why=" ".join(str(error).split()))) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the top"
        raise LabkitError(TEXT["wrong"].format(path=path, where=where, why=first["msg"])) from error
