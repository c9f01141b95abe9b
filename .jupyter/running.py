"""Print the process id of this folder's running JupyterLab and the link to its first notebook.

    running.py FOLDER NOTEBOOK

JupyterLab writes one `jpserver-<pid>.json` a server into `$JUPYTER_RUNTIME_DIR`. They are read directly,
because `jupyter server list` takes three seconds to start. Ends with 1, and prints nothing, where none runs.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path


def link(record: dict[str, str | int], folder: str, notebook: str) -> str | None:
    """The link that a server's record gives, or None if it is not this folder's or does not answer."""
    if record["root_dir"] != folder:
        return None
    try:
        os.kill(int(record["pid"]), 0)
        socket.create_connection(("127.0.0.1", int(record["port"])), timeout=2).close()
    except OSError:
        return None
    return f"http://127.0.0.1:{record['port']}/lab/tree/{notebook}?token={record['token']}"


def main(folder: str, notebook: str) -> int:
    for path in Path(os.environ["JUPYTER_RUNTIME_DIR"]).glob("jpserver-*.json"):
        try:
            record = json.loads(path.read_text())
        except (OSError, ValueError):  # being written, or just gone
            continue
        if found := link(record, folder, notebook):
            print(record["pid"], found)
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
