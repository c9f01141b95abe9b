"""What a session says where the server does not do as asked: a sentence with what, why, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labkit.diagnosis import with_cure
from labkit.errors import LabkitError

if TYPE_CHECKING:
    import openai

    from labkit.session import Session

TEXT = {
    "refused": "Nothing answers at {url}: the server is not running, or the address is wrong. "
    "Start it with labkit.start() (or `labkit up`).",
    "silent": "The server at {url} did not answer in time. `labkit status` says how it is.",
    "key": "The server at {url} refuses this API key. labkit.connect() takes the right one for your own "
    "server; for another, pass api_key=...",
    "model": "The server at {url} does not know the model {model!r}. It serves: {known}.",
    "path": "There is no chat at {url}: the address should end in /v1.",
    "request": "The server did not accept the request: {why}.",
    "failed": "The server failed (HTTP {status}): {why}.",
    "failed_more": "`labkit logs` says more; labkit.start() starts it again if need be.",
    "no_json": "{url} answers, but with a web page or something else that is no OpenAI API. The address of a "
    "model ends in /v1; a proxy or a login page in between answers so too.",
}


def not_an_api(url: str) -> LabkitError:
    """The error where something answers that is no OpenAI API."""
    return LabkitError(TEXT["no_json"].format(url=url))


def served(session: Session) -> list[str]:
    """The names of the models at its address. Raises the client's errors, and LabkitError for a web page."""
    try:
        return [each.id for each in session.client.with_options(max_retries=0).models.list()]
    except AttributeError:  # the client stumbles over an answer that is no JSON
        raise not_an_api(session.url) from None


@contextmanager
def explained(session: Session) -> Iterator[None]:
    """Turn the client's errors into a sentence: what, why, and the command that mends it."""
    import openai

    try:
        yield
    except openai.APITimeoutError:
        raise LabkitError(TEXT["silent"].format(url=session.url)) from None
    except openai.APIConnectionError:
        raise LabkitError(TEXT["refused"].format(url=session.url)) from None
    except (openai.AuthenticationError, openai.PermissionDeniedError):
        raise LabkitError(TEXT["key"].format(url=session.url)) from None
    except openai.NotFoundError:
        raise LabkitError(_not_found(session)) from None
    except openai.APIStatusError as error:
        text, more = ("request", "") if error.status_code < 500 else ("failed", TEXT["failed_more"])
        sentence = TEXT[text].format(status=error.status_code, why=_reason(error).rstrip("."))
        raise LabkitError(with_cure(sentence, error, more)) from None


def _reason(error: openai.APIStatusError) -> str:
    """The server's own words, without the envelope."""
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or error.message)


def _not_found(session: Session) -> str:
    """A 404 is a wrong model name, or a wrong address if the server cannot even say what it serves."""
    import openai

    try:
        known = ", ".join(served(session))
    except openai.OpenAIError:
        return TEXT["path"].format(url=session.url)
    return TEXT["model"].format(url=session.url, model=session.model, known=known)
