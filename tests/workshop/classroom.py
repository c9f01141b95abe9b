"""A scripted learner: signs in to a hub, has a server and a real kernel, runs code in it."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import websocket

from labkit.workshop.room import Room

NAMES = ("wsann", "wsbob", "wscy")
PATIENCE_S = 120.0


class Learner:
    """One person with a browser of their own (cookies) and, once signed in, a token of the hub's."""

    def __init__(self, hub: str, name: str, password: str) -> None:
        self.hub, self.name = hub, name
        self.http = httpx.Client(base_url=hub, timeout=60, trust_env=False, follow_redirects=True)
        self.answer = self._sign_in(password)
        self.token = ""
        self._kernel = ""

    @property
    def signed_in(self) -> bool:
        return "login" not in self.answer.url.path and self.answer.status_code == 200

    def _sign_in(self, password: str) -> httpx.Response:
        page = self.http.get("/hub/login")
        xsrf = page.cookies.get("_xsrf") or self._xsrf()
        form = {"username": self.name, "password": password, "_xsrf": xsrf}
        return self.http.post("/hub/login?next=/hub/home", data=form)

    def _xsrf(self) -> str:
        return next(c.value or "" for c in self.http.cookies.jar if c.name == "_xsrf" and c.path == "/hub/")

    def ask_hub(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The hub's API, with the browser's cookies."""
        headers = {"X-XSRFToken": self._xsrf(), "Referer": f"{self.hub}/hub/home"}
        return self.http.request(method, f"/hub/api{path}", headers=headers, **more)

    def take_seat(self) -> None:
        """Have the server started, and wait for it."""
        asked = self.ask_hub("POST", f"/users/{self.name}/server")
        assert asked.status_code in (201, 202, 400), asked.text
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            known = self.ask_hub("GET", f"/users/{self.name}").json()
            if any(each["ready"] for each in known["servers"].values()):
                break
            time.sleep(0.3)
        made = self.ask_hub("POST", f"/users/{self.name}/tokens", json={"note": "test"})
        assert made.status_code == 201, made.text
        self.token = made.json()["token"]

    def api(self, method: str, path: str, owner: str = "", **more: Any) -> httpx.Response:
        """The single-user server of `owner` (one's own), with one's own token."""
        headers = {"Authorization": f"token {self.token}"}
        with httpx.Client(base_url=self.hub, headers=headers, timeout=60, trust_env=False) as client:
            return client.request(method, f"/user/{owner or self.name}/api{path}", **more)

    def start_kernel(self) -> str:
        self._kernel = self.api("POST", "/kernels", json={"name": "python3"}).json()["id"]
        return self._kernel

    def kernels(self) -> list[str]:
        return [each["id"] for each in self.api("GET", "/kernels").json()]

    def run(self, code: str, timeout: float = PATIENCE_S) -> str:
        """Run `code` in the kernel. Gives what it printed, its result, and an error's last line."""
        kernel = self._kernel or self.start_kernel()
        url = f"{self.hub.replace('http', 'ws')}/user/{self.name}/api/kernels/{kernel}/channels"
        socket = websocket.create_connection(
            url, header=[f"Authorization: token {self.token}"], timeout=timeout, http_no_proxy=["127.0.0.1"]
        )
        id, said = uuid.uuid4().hex, []
        header = {"msg_id": id, "session": id, "msg_type": "execute_request", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        socket.send(json.dumps(request | {"channel": "shell", "buffers": []}))
        try:
            while True:
                message = json.loads(socket.recv())
                if message["parent_header"].get("msg_id") != id:
                    continue
                kind, told = message["msg_type"], message["content"]
                if kind == "stream":
                    said.append(told["text"])
                elif kind == "execute_result":
                    said.append(told["data"]["text/plain"])
                elif kind == "error":
                    said.append("\n".join(told["traceback"]) or f"{told['ename']}: {told['evalue']}")
                elif kind == "status" and told["execution_state"] == "idle":
                    return "".join(said)
        finally:
            socket.close()


@dataclass
class Class:
    """The open workshop, and everybody's password."""

    room: Room
    passwords: dict[str, str]
    home: Path
    """Its LABKIT_HOME."""

    def sign_in(self, name: str, password: str | None = None) -> Learner:
        return Learner(self.room.url, name, self.passwords[name] if password is None else password)
