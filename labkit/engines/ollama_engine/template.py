"""The chat template that mistral-common writes, mended for how Ollama and llama.cpp use it.

All of it was tried with Ollama's own build of llama-server. For every conversation that mistral-common takes,
the tokens stay the same.
"""

from __future__ import annotations

_NO_ID = "{{- raise_exception('Tool call must have an id of 9 characters or numbers.') }}"
_NO_RESULT_ID = (
    "{{- raise_exception('Tool message must have a call_id or tool_call_id of 9 characters or numbers.') }}"
)
_CALLS = "{{- '[TOOL_CALLS][' }}"
_CALL_END = """~ arguments ~ ', "id": "' ~ id ~ '"}' }}"""
_USER = "{%- set user_content = message['content'] %}"

_EDITS = {
    # Ollama's client knows no ids, and llama.cpp makes some of 32 characters: they are numbered instead.
    _NO_ID: "{%- set made.calls = made.calls + 1 %}{%- set id = ('00000000' ~ made.calls)[-9:] %}",
    _NO_RESULT_ID: "{%- set made.results = made.results + 1 %}"
    "{%- set tool_id = ('00000000' ~ made.results)[-9:] %}",
    # llama.cpp learns from the template how a call looks, and holds the model to it. The model writes a call
    # without an id and finds one in the history, so a call that has no result yet shows none.
    _CALLS: "{%- set next = loop_messages[loop.index] if loop.index < loop_messages|length else {} %}"
    + _CALLS,
    _CALL_END: """~ arguments ~ (', "id": "' ~ id ~ '"' if next['role'] == 'tool' else '') ~ '}' }}""",
    # Ollama puts a picture behind the question, and llama.cpp makes one text of both, with a marker for the
    # picture. The model was taught pictures in front.
    _USER: _USER + "{%- set cut = (user_content or '').split('<__') %}"
    "{%- if cut|length == 2 and 'media' in cut[1] and cut[1].endswith('__>') %}"
    "{%- set user_content = '<__' ~ cut[1] ~ cut[0] %}"
    "{%- endif %}",
}
"""What mistral-common has -> what Ollama needs."""


def for_ollama(template: str) -> str:
    """The template with all edits. Raises ValueError where mistral-common has changed it."""
    for old, new in _EDITS.items():
        if template.count(old) != 1:
            raise ValueError(f"mistral-common's chat template has changed: {old!r} is not there once")
        template = template.replace(old, new)
    return "{%- set made = namespace(calls=0, results=0) %}\n" + template
