"""The instructor's board: a service of the hub, behind its sign-in. `python -m labkit.workshop.board`.

Whoever the hub calls an admin sees the class; a learner sees one row, their own. It asks the hub for
activity, the server for its metrics, and the learners' own files for progress (labkit.workshop.roll).
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado import web

from labkit import home
from labkit.errors import LabkitError
from labkit.hardware import machine
from labkit.lessons import shelf
from labkit.probes.metrics import metrics
from labkit.session import Session
from labkit.workshop import roll, room
from labkit.workshop.room import Room

TEXT = {
    "title": "The class",
    "mine": "Your progress",
    "no_server": "The model's server does not answer.",
    "no_hub": "The hub does not answer; activity is not known.",
    "disk": "The disk is nearly full: {free:.1f} GiB are free.",
    "not_yours": "The list is for the instructor. Your own progress is on the board.",
    "summary": "{here} of {count} here, {stuck} stuck",
}
_LOW_GIB = 5.0
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"


class _Base(HubOAuthenticated, web.RequestHandler):
    def initialize(self, room: Room) -> None:
        self.room = room

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Cache-Control", "no-store")

    def is_instructor(self) -> bool:
        return bool(self.current_user.get("admin"))


class BoardHandler(_Base):
    """The page."""

    @web.authenticated
    async def get(self) -> None:
        people, note = await seen(self.room)
        if not self.is_instructor():
            name = self.current_user["name"]
            rows = rows_of(self.room, people, (name,)) if name in self.room.people else []
            self._show(TEXT["mine"], rows, {}, [])
            return
        rows = rows_of(self.room, people, self.room.learners)
        figures, said = await asyncio.to_thread(server_figures)
        self._show(TEXT["title"], rows, figures, [*filter(None, (note, *said))])

    def _show(self, title: str, rows: list[roll.Row], figures: dict[str, str], notes: list[str]) -> None:
        here, stuck = sum(each.here for each in rows), sum(each.stuck for each in rows)
        self.render(
            "board.html",
            title=title,
            rows=sorted(rows, key=lambda each: (not each.stuck, each.name)),
            figures=figures,
            notes=notes,
            summary=TEXT["summary"].format(here=here, count=len(rows), stuck=stuck),
            exercises=len(shelf.exercises()),
            instructor=self.is_instructor(),
            ago=ago,
        )


class ListHandler(_Base):
    """The same as CSV, for the instructor."""

    @web.authenticated
    async def get(self) -> None:
        if not self.is_instructor():
            raise web.HTTPError(403, TEXT["not_yours"])
        people, _ = await seen(self.room)
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", "attachment; filename=class.csv")
        self.finish(roll.as_csv(rows_of(self.room, people, self.room.learners)))


def rows_of(room: Room, people: dict[str, dict[str, Any]], names: tuple[str, ...]) -> list[roll.Row]:
    """A row for each name. people: what the hub knows of them."""
    found = []
    for name in names:
        known = people.get(name, {})
        last = known.get("last_activity")
        seen = datetime.fromisoformat(last) if last else None
        found.append(roll.row(name, roll.entries_of(room, name), seen, bool(known.get("servers"))))
    return found


async def seen(room: Room) -> tuple[dict[str, dict[str, Any]], str]:
    """What the hub knows of everybody, by name, and a sentence if it does not answer."""
    headers = {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=10, trust_env=False) as client:
            answer = await client.get(f"{os.environ['JUPYTERHUB_API_URL']}/users", params={"limit": 500})
            answer.raise_for_status()
    except httpx.HTTPError:
        return {}, TEXT["no_hub"]
    return {each["name"]: each for each in answer.json()}, ""


def server_figures() -> tuple[dict[str, str], list[str]]:
    """How machine and server are now, as name and value; and what the instructor must know."""
    here, said = machine(Path(room.state())), []
    load = psutil.getloadavg()[0]
    found = {
        "load": f"{load:.1f} on {here.cores} cores",
        "memory": f"{here.ram_gib - here.ram_free_gib:.1f} of {here.ram_gib:.0f} GiB",
        "disk free": f"{here.disk_free_gib:.0f} GiB",
    }
    if here.disk_free_gib < _LOW_GIB:
        said.append(TEXT["disk"].format(free=here.disk_free_gib))
    server = home.read()
    try:
        if server is None:
            raise LabkitError(TEXT["no_server"])
        counted = metrics(Session(server.url, server.key, server.model))
    except LabkitError:
        return found, [*said, TEXT["no_server"]]
    found |= {
        "requests running": f"{counted.get('num_requests_running', 0):.0f}",
        "requests waiting": f"{counted.get('num_requests_waiting', 0):.0f}",
        "KV cache": f"{counted.get('kv_cache_usage_perc', 0):.0%}",
    }
    if (first := counted.get("time_to_first_token_seconds")) is not None:
        found["first token, mean"] = f"{first * 1000:.0f} ms"
    return found, said


def ago(when: datetime | None) -> str:
    """How long since, in the largest unit that fits."""
    if when is None:
        return ""
    minutes = max(0, int((datetime.now(UTC) - when).total_seconds() // 60))
    if minutes < 1:
        return "now"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h"


def app(room: Room) -> web.Application:
    """The service's pages, under the prefix that the hub gives it."""
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    pages = Path(__file__).with_name("pages")
    return web.Application(
        [
            (prefix, BoardHandler, {"room": room}),
            (url_path_join(prefix, "class.csv"), ListHandler, {"room": room}),
            (url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler),
            (url_path_join(prefix, "static/(.*)"), web.StaticFileHandler, {"path": str(pages / "static")}),
        ],
        cookie_secret=os.urandom(32),
        template_path=str(pages),
        static_path=str(pages / "static"),
        static_url_prefix=url_path_join(prefix, "static/"),
    )


async def main() -> None:
    """Serve the board of this home's workshop until the hub ends it."""
    here = room.read()
    assert here is not None  # the hub has read it
    address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    app(here).listen(address.port or here.board_port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
