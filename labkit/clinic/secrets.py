"""Taking secrets out of what may be shared: keys, tokens, passwords, and the user's own folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

HIDDEN = "…"
_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 6
"""Characters; a shorter value of such a variable is no secret worth the name ("EMPTY", "0")."""
_HARMLESS = {"EMPTY", "ollama", "true", "false"}
PATTERNS = (
    r"\bhf_[A-Za-z0-9]{16,}",
    r"\bsk-[A-Za-z0-9_-]{16,}",
    r"\bgh[opsu]_[A-Za-z0-9]{20,}",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"(?<=Bearer )[A-Za-z0-9._~+/=-]{8,}",
    r"(?<=[?&]token=)[A-Za-z0-9._-]{8,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"(?i)(?<=api_key=)['\"]?(?!EMPTY|None|…)[A-Za-z0-9_-]{12,}(?![\w.])",
    r"(?<=://)[^/@\s:]+:[^/@\s]+(?=@)",
)
"""What a secret looks like, whoever it belongs to."""


def without_secrets(text: str) -> str:
    """The text with every secret replaced by "…", and this user's folder by "~".

    Secrets are: the keys of this labkit home, the values of environment variables whose names say so, and
    what looks like a token of a hub, a cloud or an API.
    """
    for value in _own():
        text = text.replace(value, HIDDEN)
    for pattern in PATTERNS:
        text = re.sub(pattern, HIDDEN, text)
    folder = str(Path.home())
    return text.replace(f"{folder}/", "~/") if folder != "/" else text


def _own() -> list[str]:
    """The secrets of this user that we know, the longest first."""
    found = {value for name, value in os.environ.items() if _NAMES.search(name)}
    found.add(_read(Path(os.environ.get("LABKIT_HOME") or Path.home() / ".labkit").expanduser() / "key"))
    found.add(_read(Path.home() / ".cache" / "huggingface" / "token"))
    return sorted((v for v in found if len(v) >= _SHORTEST and v not in _HARMLESS), key=len, reverse=True)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
