"""Is this deployment ready for others? Asked of it now, with what its owner has measured of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from labkit import home
from labkit.clinic import checks_servers
from labkit.clinic.doors import doors
from labkit.clinic.findings import Finding, Report
from labkit.engines import process
from labkit.errors import LabkitError
from labkit.home import Server
from labkit.planner import per_million
from labkit.probes import Crowd, Speed, Sweep, metrics_each
from labkit.server import ping
from labkit.session import Session

TEXT = {
    "elsewhere": "The server at {url} was not started from here",
    "elsewhere_why": "Its processes and ports can only be looked at where it runs.",
    "up": "labkit up --replicas 2",
    "metrics": "each replica shows its counts: {each}",
    "metrics_each": "no. {number}: {waiting:.0f} waiting, {cache:.1%} of the KV cache",
    "metrics_bad": "the counts cannot be read ({why})",
    "metrics_why": "Without them you learn from complaints that it is full.",
    "limit": "a request for more than {longest:,} tokens is refused",
    "limit_bad": "no limit to a request was found ({why})",
    "limit_why": "One long request can take the whole KV cache.",
    "limit_command": "vllm serve ... --max-model-len N",
    "missing": "not shown yet: {what}",
    "loss": "a replica was lost in mid-run: {cut} answers cut, no later question lost, {first:.2f} s to the "
    "first token (p95)",
    "loss_missing": "what a class felt when a replica died (`crowd`)",
    "loss_why": "One day a card or a process dies.",
    "loss_alone": "there is one replica, so its death is the service's",
    "loss_other": "this class asked {url}",
    "loss_unstruck": "nothing was killed in this class: every replica is older than it",
    "loss_few": "only {count} questions came after the loss; 10 are wanted",
    "loss_lost": "{lost} questions were lost after the loss, and {hanging} hung",
    "loss_command": "probes.crowd(session, midway=...)",
    "knee": "the promise holds up to {at_once} at once: {capacity:.1f} questions a second; the class asks "
    "{need:.1f}, so {verdict}",
    "knee_enough": "it is enough",
    "knee_short": "it is not enough, and you say so",
    "knee_missing": "where its knee is, and whether that is enough (`sweep`, `enough`)",
    "knee_broken": "the promise is broken with a single reader already, and the class asks {need:.1f} "
    "questions a second; that is not enough, and you say so",
    "knee_few": "the sweep has {count} sizes; three are wanted, 16 at once or more among them",
    "knee_wrong": "you say {said}, and the sweep says {capacity:.1f} questions a second within the promise, "
    "where the class asks {need:.1f}",
    "knee_why": "The promise: 95 of 100 get their first token within {promise:g} s.",
    "knee_command": "probes.sweep(session)",
    "price": "a million tokens cost {dollars:.2f} dollars at the class's pace, on {cards}",
    "price_missing": "what a million tokens cost at the class's pace (`dollars`)",
    "price_wrong": "{dollars:.2f} dollars for a million tokens is not between {low:.2f} and {high:.2f}",
    "price_why": "Cards are paid by the day, whether they answer or wait.",
    "price_command": "planner.per_million(...)",
}
PROMISE_S = 1.0
"""The first token of 95 in 100 questions comes within this time."""
_FEW, _LEAST_SIZES, _LEAST_AT_ONCE, _SLACK = 10, 3, 16, 0.05
_ASK_S = 20.0
_ORDER = (
    *("server", "vision", "tools", "key", "paths", "told", "behind", "loopback", "metrics", "limit"),
    *("loss", "knee", "price"),
)


@dataclass(frozen=True)
class Shown:
    """What the owner of a deployment has measured of it, and says about it."""

    sweep: Sweep | None = None
    crowd: Crowd | None = None
    """A class in which a replica was killed; it also says what the class asks."""
    enough: bool | None = None
    """Whether the knee is above what the class asks."""
    dollars: float | None = None
    """For a million tokens at the class's pace."""
    gpu: str = "RTX 4090"
    """What each replica is rented on."""


def readiness(
    session: Session,
    *,
    sweep: Sweep | None = None,
    crowd: Crowd | None = None,
    enough: bool | None = None,
    dollars: float | None = None,
    gpu: str = "RTX 4090",
) -> Report:
    """The checklist of a deployment of this home, in its order; see `Shown` for what is handed over.

    Takes a few seconds, changes nothing, and never raises. What was not handed over does not hold.
    """
    began = time.monotonic()
    server = home.read()
    if server is None or server.url != session.url:
        what = TEXT["elsewhere"].format(url=session.url)
        found = [Finding("server", "wrong", what, TEXT["elsewhere_why"], TEXT["up"])]
    else:
        found = list(checks_servers.own())
        if ping(server, _ASK_S) is None:  # what does not answer opens no door to anybody: that proves nothing
            shown = Shown(sweep, crowd, enough, dollars, gpu)
            found += [*doors(server), *_metrics(session), *_limit(server)]
            found += judged(server, shown)
            found.sort(key=lambda each: _ORDER.index(each.name))
    return Report(tuple(found), time.monotonic() - began)


def judged(server: Server, shown: Shown) -> list[Finding]:
    """What was measured of the deployment: the loss of a replica, the knee, the price."""
    return [_loss(server, shown), _knee(shown), _price(server, shown)]


def capacity(sweep: Sweep) -> Speed | None:
    """The largest measurement up to which the promise was kept at every size; None where it never was."""
    best = None
    for each in sweep.speeds:
        if each.first_token(95) > PROMISE_S:
            break
        best = each
    return best


def per_s(speed: Speed) -> float:
    """Questions that were answered, a second."""
    return len(speed.streams) / speed.seconds


def _metrics(session: Session) -> Iterator[Finding]:
    try:
        pages = metrics_each(session)
    except LabkitError as error:
        what = TEXT["metrics_bad"].format(why=str(error).rstrip("."))
        yield Finding("metrics", "wrong", what, TEXT["metrics_why"])
        return
    each = [
        TEXT["metrics_each"].format(
            number=number,
            waiting=page.get("num_requests_waiting", 0),
            cache=page.get("kv_cache_usage_perc", 0),
        )
        for number, page in pages.items()
    ]
    yield Finding("metrics", "well", TEXT["metrics"].format(each="; ".join(each)))


def _limit(server: Server) -> Iterator[Finding]:
    """Ask for an answer that is longer than the whole context."""
    headers = {"Authorization": f"Bearer {server.key}"}
    try:
        with httpx.Client(trust_env=False, timeout=_ASK_S, headers=headers) as client:
            longest = int(client.get(f"{server.url}/models").json()["data"][0]["max_model_len"])
            question = {"model": server.model, "messages": [{"role": "user", "content": "Hi"}]}
            body: dict[str, Any] = {**question, "max_tokens": longest + 1}
            status = client.post(f"{server.url}/chat/completions", json=body).status_code
        why = "" if status == 400 else f"HTTP {status}"
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        why, longest = str(error) or type(error).__name__, 0
    if why:
        what = TEXT["limit_bad"].format(why=why)
        yield Finding("limit", "wrong", what, TEXT["limit_why"], TEXT["limit_command"])
    else:
        yield Finding("limit", "well", TEXT["limit"].format(longest=longest))


def _loss(server: Server, shown: Shown) -> Finding:
    crowd = shown.crowd
    if len(server.replicas) < 2:
        return _bad("loss", TEXT["loss_alone"], TEXT["up"])
    if crowd is None or crowd.struck_s is None:
        return _missing("loss")
    if crowd.url != server.url:
        return _bad("loss", TEXT["loss_other"].format(url=crowd.url))
    youngest = min(process.uptime_s(each.pid) for each in server.replicas)
    if time.time() - youngest < crowd.began:
        return _bad("loss", TEXT["loss_unstruck"])
    lost = sum(each.outcome == "lost" for each in crowd.after)
    if lost or crowd.hanging:
        return _bad("loss", TEXT["loss_lost"].format(lost=lost, hanging=crowd.hanging))
    if len(crowd.after) < _FEW:
        return _bad("loss", TEXT["loss_few"].format(count=len(crowd.after)))
    facts = {"cut": crowd.count("cut"), "first": crowd.first_token(95)}
    return Finding("loss", "well", TEXT["loss"].format(**facts))


def _knee(shown: Shown) -> Finding:
    sweep, crowd, said = shown.sweep, shown.crowd, shown.enough
    if sweep is None or crowd is None or not isinstance(said, bool):
        return _missing("knee")
    sizes = [each.at_once for each in sweep.speeds]
    if len(sizes) < _LEAST_SIZES or max(sizes) < _LEAST_AT_ONCE:
        return _bad("knee", TEXT["knee_few"].format(count=len(sizes)))
    best, need = capacity(sweep), crowd.learners / crowd.pace
    has = per_s(best) if best else 0.0
    if said is not (has >= need):
        return _bad("knee", TEXT["knee_wrong"].format(said=said, capacity=has, need=need))
    if best is None:
        return Finding("knee", "well", TEXT["knee_broken"].format(need=need))
    verdict = TEXT["knee_enough" if said else "knee_short"]
    facts = {"at_once": best.at_once, "capacity": has, "need": need, "verdict": verdict}
    return Finding("knee", "well", TEXT["knee"].format(**facts))


def _price(server: Server, shown: Shown) -> Finding:
    if shown.crowd is None or not isinstance(shown.dollars, int | float):
        return _missing("price")
    cards = f"{len(server.engines)}x {shown.gpu}"
    try:
        low, high = per_million(shown.crowd.tokens_per_s, cards)
    except LabkitError as error:
        return _bad("price", str(error).rstrip("."))
    if not (1 - _SLACK) * low <= shown.dollars <= (1 + _SLACK) * high:
        return _bad("price", TEXT["price_wrong"].format(dollars=shown.dollars, low=low, high=high))
    return Finding("price", "well", TEXT["price"].format(dollars=shown.dollars, cards=cards))


def _missing(name: str) -> Finding:
    return _bad(name, TEXT["missing"].format(what=TEXT[f"{name}_missing"]))


def _bad(name: str, what: str, command: str = "") -> Finding:
    why = TEXT[f"{name}_why"].format(promise=PROMISE_S)
    return Finding(name, "wrong", what, why, command or TEXT[f"{name}_command"])
