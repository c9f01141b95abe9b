"""Which engine runs a variant: choose it, find it by name, and pass the verbs on to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from labkit import catalog, home, lent, server, starting
from labkit.engines import ollama_engine, transformers_engine
from labkit.engines.contract import Endpoint, Engine, Status
from labkit.engines.ollama_engine import Upstream
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.display import Progress

TEXT = {
    "engine": "There is no engine {name!r}. There are: {known}.",
    "takes": "{engine} does not take the variant {variant}. It takes: {known}. {variant} runs in: {others}.",
}

AUTO = "auto"


class _Ollama:
    """Ollama behind the contract. Where it is not installed, the twin in vLLM answers behind the stand-in."""

    def start(self, variant: str, *, show: Progress, timeout: float, **options: Any) -> Endpoint:
        def upstream() -> Upstream:
            if shared := lent.endpoint():
                return Upstream(shared.url, shared.api_key, shared.model)
            behind = starting.up(timeout=timeout, progress=show)
            return Upstream(behind.url, behind.key, behind.model)

        return ollama_engine.start(variant, show=show, timeout=timeout, **({"upstream": upstream} | options))

    def status(self, ping_s: float = 5.0) -> Status:
        return ollama_engine.status(ping_s)

    def logs(self, lines: int = 40) -> str:
        return ollama_engine.logs(lines)

    def stop(self) -> bool:
        return ollama_engine.stop()


class _VLLM:
    """vLLM behind the contract: a server process, found again by every notebook of this home.

    Where the class lends one (LABKIT_URL), that one is used, and none is started.
    """

    def start(self, variant: str, *, show: Progress, timeout: float, **options: Any) -> Endpoint:
        if shared := lent.endpoint():
            if given := ", ".join(sorted(options)):
                raise LabkitError(lent.TEXT["options"].format(options=given))
            return shared
        found = starting.up(variant, timeout=timeout, progress=show, **options)
        return Endpoint("vllm", found.model, found.url, found.key)

    def status(self, ping_s: float = 5.0) -> Status:
        return lent.status() or server.status(ping_s)

    def logs(self, lines: int = 40) -> str:
        running = home.read()
        parts = running.parts if running else ()
        return "\n".join(line for each in parts for line in server.tail(each.log).splitlines()[-lines:])

    def stop(self) -> bool:
        return server.stop()


_ENGINES: dict[str, Engine] = {
    "vllm": _VLLM(),
    "ollama": _Ollama(),
    "transformers": cast(Engine, transformers_engine),  # a module with the same functions
}
NAMES = tuple(_ENGINES)


def engine(name: str) -> Engine:
    """The engine of this name. Raises LabkitError for an unknown one."""
    _known(name)
    return _ENGINES[name]


def _known(name: str) -> None:
    if name not in _ENGINES:
        raise LabkitError(TEXT["engine"].format(name=name, known=", ".join(NAMES)))


def choose(variant: str, name: str = AUTO) -> str:
    """The engine for a variant: `name`, or where that is "auto" the first of the catalog's that takes it.

    What the catalog does not know (a folder, a name on a hub) goes to vLLM. Raises LabkitError where the
    catalog says that the named engine does not take the variant.
    """
    recipes = [recipe for known in catalog.models() for recipe in catalog.model(known).recipes]
    takes = list(dict.fromkeys(recipe.engine for recipe in recipes if recipe.variant == variant))
    if name == AUTO:
        return takes[0] if takes and "vllm" not in takes else "vllm"
    _known(name)
    if takes and name not in takes:
        known = dict.fromkeys(recipe.variant for recipe in recipes if recipe.engine == name)
        others = ", ".join(takes)
        raise LabkitError(
            TEXT["takes"].format(engine=name, variant=variant, known=", ".join(known), others=others)
        )
    return name


def start(variant: str, name: str, *, show: Progress, timeout: float, **options: Any) -> Endpoint:
    """The endpoint of the engine `name` (or "auto") with this variant, started if need be."""
    return engine(choose(variant, name)).start(variant, show=show, timeout=timeout, **options)


def status(name: str | None = None, ping_s: float = 5.0) -> Status:
    """How the server of one engine is; without a name, of the first engine that has one."""
    found = [engine(each).status(ping_s) for each in ([name] if name else NAMES)]
    return next((each for each in found if each.state != "none"), found[0])


def stop(name: str | None = None) -> bool:
    """End what one engine started, or what all of them did. Returns whether there was anything."""
    return any([engine(each).stop() for each in ([name] if name else NAMES)])
