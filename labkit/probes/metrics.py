"""What vLLM counts about itself: its /metrics page, as numbers."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urlsplit

from labkit import home
from labkit.errors import LabkitError
from labkit.session import Session

TEXT = {
    "none": "There are no metrics of vLLM's at {url} ({why}). vLLM has them; Ollama and Transformers do not.",
    "page": "the page is there, and holds none of them",
    "no_connection": "nothing answers",
}

GAUGES = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
COUNTERS = ("prompt_tokens", "generation_tokens", "num_preemptions")
HISTOGRAMS = ("time_to_first_token_seconds", "inter_token_latency_seconds", "e2e_request_latency_seconds")

_FULLEST = "kv_cache_usage_perc"
_LINE = re.compile(r"^vllm:(\w+)(?:\{[^}]*\})?\s+(\S+)", re.MULTILINE)


def metrics(session: Session) -> dict[str, float]:
    """vLLM's own count, read now. The names are vLLM's, without the `vllm:` in front.

    GAUGES say how it is at this moment (the cache's use from 0 to 1), COUNTERS add up since the server
    started, and of HISTOGRAMS, in seconds, the mean since then is given. Of several replicas of this home
    all pages are read: counts and times are of all together, the cache's use is the fullest one's. Raises
    LabkitError where the server has no such page.
    """
    pages = _pages(session).values()
    found = parse("\n".join(pages))
    if _FULLEST in found:
        found[_FULLEST] = max(parse(page).get(_FULLEST, 0.0) for page in pages)
    return found


def metrics_each(session: Session) -> dict[int, dict[str, float]]:
    """The same of each replica by itself, by its number from 1 on. One that is gone is left out."""
    return {number: parse(page) for number, page in _pages(session).items()}


def _pages(session: Session) -> dict[int, str]:
    """The pages of the replicas that answer; of the server where there is one."""
    own = home.read()
    if own is None or own.url != session.url or not own.replicas:
        return {1: _page(session.url, session.api_key)}
    pages = {}
    for number, each in enumerate(own.replicas, 1):
        with suppress(LabkitError):  # one that is gone counts no more
            pages[number] = _page(each.url, session.api_key)
    if not pages:
        raise LabkitError(TEXT["none"].format(url=session.url, why=TEXT["no_connection"]))
    return pages


def _page(server: str, key: str) -> str:
    """The page of the server whose API is at `server`. vLLM shows it without the key, a router with it."""
    import httpx

    place = urlsplit(server)
    url = f"{place.scheme}://{place.netloc}/metrics"
    # A proxy set for the way out must not get in the way of our own machine.
    outside = place.hostname not in ("127.0.0.1", "localhost")
    headers = {"Authorization": f"Bearer {key}"} if key else {}  # a key of nothing is no legal header
    try:
        answer = httpx.get(url, timeout=10, trust_env=outside, headers=headers)
    except httpx.HTTPError:
        raise LabkitError(TEXT["none"].format(url=url, why=TEXT["no_connection"])) from None
    if answer.status_code != 200:
        raise LabkitError(TEXT["none"].format(url=url, why=f"HTTP {answer.status_code}"))
    if not parse(answer.text):
        raise LabkitError(TEXT["none"].format(url=url, why=TEXT["page"]))
    return answer.text


def parse(page: str) -> dict[str, float]:
    """The numbers in a page of Prometheus text. Lines that differ in their labels alone are added up."""
    total: dict[str, float] = {}
    for name, value in _LINE.findall(page):
        total[name] = total.get(name, 0.0) + float(value)
    found = {name: total[name] for name in GAUGES if name in total}
    found |= {name: total[f"{name}_total"] for name in COUNTERS if f"{name}_total" in total}
    for name in HISTOGRAMS:
        if count := total.get(f"{name}_count"):
            found[name] = total[f"{name}_sum"] / count
    return found
