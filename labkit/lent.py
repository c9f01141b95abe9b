"""A server that somebody lends us: in a workshop, the class's, named by LABKIT_URL and LABKIT_API_KEY."""

from __future__ import annotations

import os

from labkit.engines.contract import Endpoint, Status
from labkit.errors import LabkitError

TEXT = {
    "silent": "Nothing answers at {url}, which the class shares. Tell your instructor; on a machine of your "
    "own, unset LABKIT_URL.",
    "key": "The class's server at {url} refuses your key. Stop your server in JupyterHub's control panel and "
    "start it again, which brings a fresh one.",
    "broken": "The class's server at {url} is there, and names no model (HTTP {status}). Tell your "
    "instructor.",
    "options": "The class shares one server, so nothing is started here with flags of your own ({options}). "
    "Use labkit.start() without them, or try this on a machine of your own.",
    "well": "{model} answers at {url}. The class shares it.",
    "note": "The class shares this server.",
}
_PATIENCE_S = 15.0


def url() -> str | None:
    """Its address, ending in /v1; None where LABKIT_URL names none."""
    found = os.environ.get("LABKIT_URL", "").rstrip("/")
    return (found if found.endswith("/v1") else f"{found}/v1") if found else None


def endpoint() -> Endpoint | None:
    """The lent server, asked for its model now; None where there is none. Raises LabkitError."""
    import httpx

    address = url()
    if address is None:
        return None
    key = os.environ.get("LABKIT_API_KEY", "EMPTY")
    try:
        answer = httpx.get(
            f"{address}/models",
            headers={"Authorization": f"Bearer {key}"},
            timeout=_PATIENCE_S,
            trust_env="127.0.0.1" not in address,
        )
        model = answer.json()["data"][0]["id"] if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        raise LabkitError(TEXT["silent"].format(url=address)) from None
    if answer.status_code in (401, 403):
        raise LabkitError(TEXT["key"].format(url=address))
    if model is None:
        raise LabkitError(TEXT["broken"].format(url=address, status=answer.status_code))
    return Endpoint("attached", str(model), address, key, note=TEXT["note"])


def status() -> Status | None:
    """How the lent server is; None where there is none."""
    try:
        found = endpoint()
    except LabkitError as error:
        return Status("broken", str(error), url=url())
    if found is None:
        return None
    return Status("ready", TEXT["well"].format(model=found.model, url=found.url), found.model, found.url)
