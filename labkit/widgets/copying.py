"""A request as code to copy: Python, curl, Ollama. No key is written out: it is read where it lies."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labkit import home
from labkit.session import POCKET
from labkit.starting import POCKET_NAME
from labkit.widgets.conversation import Settings
from labkit.widgets.drop import Photo

if TYPE_CHECKING:
    from labkit.session import Session

OLLAMA = "mistral-small3.1"
"""Ollama's name for the model."""
_NO_SECRETS = ("EMPTY", "ollama")
_WIDTH = 88
_PICTURE = """

def picture(path):
    with open(path, "rb") as file:
        return "data:image/png;base64," + base64.b64encode(file.read()).decode()

"""
_PYTHON = """\
{imports}
from openai import OpenAI
{picture}
messages = {messages}
{tools}
client = OpenAI(
    base_url={url},
    api_key={key},
)
stream = client.chat.completions.create(
    model={model},
    messages=messages,{with_tools}
    temperature={temperature:g},
    top_p={top_p:g},
    max_tokens={max_tokens},
    stream=True,
)
for chunk in stream:
    delta = chunk.choices[0].delta
    print(delta.content or "", end="", flush=True)
    for call in delta.tool_calls or []:
        print(call.function.name or "", call.function.arguments or "", end="")
"""
_INSIDE = """\
{imports}import labkit
{picture}
messages = {messages}
{tools}
session = labkit.start({model}, engine="transformers", progress=False)
reply = session.chat(
    messages,{with_tools}
    temperature={temperature:g},
    top_p={top_p:g},
    max_tokens={max_tokens},
)
print(reply)
"""
_OLLAMA = """\
from ollama import Client

messages = {messages}
{tools}
client = Client({host})
stream = client.chat(
    model={model},
    messages=messages,{with_tools}
    options={{"temperature": {temperature:g}, "top_p": {top_p:g}, "num_predict": {max_tokens}}},
    stream=True,
)
for part in stream:
    print(part.message.content or "", end="", flush=True)
    for call in part.message.tool_calls or []:
        print(call.function.name, call.function.arguments)
"""
_CURL = """\
curl -sS {url} \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d @- <<{mark}
{body}
JSON
"""


def copy_as(
    session: Session,
    messages: Sequence[Mapping[str, Any]],
    settings: Settings,
    *,
    photos: Sequence[Photo] = (),
    tools: Sequence[Mapping[str, Any]] = (),
) -> dict[str, str]:
    """The request as Python, as curl (where the server has an address), and for Ollama; each runs as it is.

    photos: those in the messages; the code reads them from the disk.
    """
    files = {each.url: str(each.path) for each in photos}
    shown = {
        "messages": _pretty(
            _swapped(messages, {url: _Code(f"picture({_pretty(path)})") for url, path in files.items()})
        ),
        "tools": f"tools = {_pretty(list(tools))}" if tools else "",
        "with_tools": "\n    tools=tools," if tools else "",
        "picture": _PICTURE if photos else "",
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": settings.max_tokens,
    }
    found = {}
    if session.engine == "transformers":
        imports = "import base64\n\n" if photos else ""
        variant = POCKET if session.model == POCKET_NAME else session.model
        found["Python"] = _INSIDE.format(imports=imports, model=_pretty(variant), **shown)
    else:
        imports = "import base64\nimport os\n" if photos else "import os\n"
        python, shell = _key(session)
        found["Python"] = _PYTHON.format(
            imports=imports, url=_pretty(session.url), key=python, model=_pretty(session.model), **shown
        )
        body = _body(session, messages, settings, tools)
        found["curl"] = _curl(session.url, shell, body, files)
    own = session.engine == "ollama"
    host = f"host={_pretty(session.url.removesuffix('/v1'))}" if own else ""
    model = _pretty(session.model if own else OLLAMA)
    shown["messages"] = _pretty([_for_ollama(each, files) for each in messages])
    found["Ollama"] = _OLLAMA.format(host=host, model=model, **shown)
    return found


class _Code:
    """Code that stands where a value would."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __repr__(self) -> str:
        return self.code


def _pretty(value: Any, indent: int = 0) -> str:
    """As Python: on one line where it fits, one line for each part where it does not."""
    parts: list[str]
    if isinstance(value, Mapping):
        parts, ends = [f"{_pretty(key)}: {_pretty(inner, indent + 4)}" for key, inner in value.items()], "{}"
    elif isinstance(value, list):
        parts, ends = [_pretty(inner, indent + 4) for inner in value], "[]"
    else:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    line = ends[0] + ", ".join(parts) + ends[1]
    if len(line) + indent <= _WIDTH and "\n" not in line:
        return line
    inside = "".join(f"{' ' * (indent + 4)}{each},\n" for each in parts)
    return f"{ends[0]}\n{inside}{' ' * indent}{ends[1]}"


def _swapped(value: Any, new: Mapping[str, Any]) -> Any:
    """The same, with other values in the place of some texts."""
    if isinstance(value, Mapping):
        return {key: _swapped(inner, new) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_swapped(inner, new) for inner in value]
    return new.get(value, value) if isinstance(value, str) else value


def _key(session: Session) -> tuple[str, str]:
    """Where the key is: for Python, and for a shell."""
    path = home.home() / "key"
    if path.is_file() and path.read_text("utf-8").strip() == session.api_key:
        python = f'os.environ.get("LABKIT_API_KEY") or open({_pretty(str(path))}).read().strip()'
        return python, f"${{LABKIT_API_KEY:-$(cat {shlex.quote(str(path))})}}"
    if session.api_key in _NO_SECRETS:
        return (
            f'os.environ.get("LABKIT_API_KEY", {_pretty(session.api_key)})',
            f"${{LABKIT_API_KEY:-{session.api_key}}}",
        )
    return 'os.environ["LABKIT_API_KEY"]', "$LABKIT_API_KEY"


def _body(
    session: Session,
    messages: Sequence[Mapping[str, Any]],
    settings: Settings,
    tools: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    body: dict[str, Any] = {"model": session.model, "messages": list(messages)}
    body |= {"tools": list(tools)} if tools else {}
    return body | {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": settings.max_tokens,
    }


def _curl(url: str, key: str, body: dict[str, Any], files: Mapping[str, str]) -> str:
    """The body as a here-document, since one argument holds 128 KiB; the shell puts the pictures in."""
    text = json.dumps(_swapped(body, {url: f"file:{path}" for url, path in files.items()}), indent=2)
    mark = "'JSON'"
    if files:
        mark = "JSON"
        for special in "\\$`":
            text = text.replace(special, f"\\{special}")
        for path in files.values():
            read = f"data:image/png;base64,$(base64 < {shlex.quote(path)} | tr -d '\\n')"
            text = text.replace(json.dumps(f"file:{path}"), f'"{read}"')
    return _CURL.format(url=shlex.quote(f"{url}/chat/completions"), key=key, mark=mark, body=text)


def _for_ollama(message: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """A message as Ollama's own API takes it: text and images apart, arguments as an object."""
    content, found = message["content"], {"role": message["role"]}
    if isinstance(content, list):
        images = [files[each["image_url"]["url"]] for each in content if each["type"] == "image_url"]
        content = "".join(each["text"] for each in content if each["type"] == "text")
        found |= {"content": content, "images": images}
    else:
        found |= {"content": content}
    if "tool_calls" in message:
        found["tool_calls"] = [
            {
                "function": {
                    "name": each["function"]["name"],
                    "arguments": _parsed(each["function"]["arguments"]),
                }
            }
            for each in message["tool_calls"]
        ]
    return found


def _parsed(arguments: str) -> dict[str, Any]:
    try:
        found = json.loads(arguments)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
