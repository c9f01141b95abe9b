"""The twin's exam, through the real vLLM server: 200 held-out draws a skill, greedy, exact match.

python -m pocket.recipe.evaluate            # prints the table (about 20 minutes on two cores)
python -m pocket.recipe.evaluate --write    # and puts it into pocket/README.md
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from pocket import HERE
from pocket.recipe.mixture import SKILLS, use_random_tokens, with_system
from pocket.recipe.sample import TEST, Sample
from pocket.recipe.template import Template

CARD = HERE / "README.md"
BEGIN, END = "<!-- exam -->", "<!-- /exam -->"
AT_ONCE = 12
"""Requests in flight: vLLM batches them."""


@dataclass(frozen=True)
class Paper:
    """One row of the exam: a name, the skills drawn from in turn, the share that must be right."""

    name: str
    skills: tuple[str, ...]
    bar: float | None = None


PAPERS = [
    Paper("shapes: describe, count, locate, compare", ("shapes",), 0.98),
    Paper("shapes as JSON", ("shapes_json",)),
    Paper("two to ten pictures", ("two_images",)),
    Paper("bar charts: read, highest, lowest, describe", ("bars",), 0.92),
    Paper("line and pie charts", ("lines_pies",)),
    Paper("charts as JSON", ("chart_json",)),
    Paper("a short text in a picture", ("words", "receipts"), 0.85),
    Paper("pictures, in German", ("pictures_de",)),
    Paper("one tool call", ("one_call",), 0.95),
    Paper("one tool call, names never seen", ("new_names",), 0.90),
    Paper("one tool call, kinds of tools never seen", ("new_kinds",)),
    Paper("two or three parallel calls", ("parallel",), 0.90),
    Paper("no call where none fits", ("no_call",), 0.95),
    Paper("from tool results to a sentence", ("results",), 0.95),
    Paper("tools over several turns", ("tool_turns",)),
    Paper("the course's subject, English", ("course",), 0.95),
    Paper("the course's subject, German", ("course_de",), 0.95),
    Paper("a needle in 3,500 tokens", ("needle",), 0.95),
    Paper("a second turn that refers to the first", ("second_turn", "course_turn"), 0.90),
    Paper("anything else: says that it is the twin", ("other",), 0.95),
    Paper("greetings, capitals, sums", ("greeting", "capitals_sums")),
    Paper("the guide's programs", ("guide_code",)),
    Paper("repeat, spell, sort", ("echo",)),
]


@dataclass
class Result:
    """right of n; `low` and `high` bound the true share with 95 % confidence (Wilson's interval)."""

    name: str
    right: int
    n: int
    bar: float | None
    low: float
    high: float


def wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of `right` in `n`."""
    z, p = 1.96, right / n
    middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def as_openai(sample: Sample) -> list[dict[str, Any]]:
    """The question's messages as the OpenAI API wants them: data URLs, arguments as JSON strings."""

    def chunk(part: dict[str, Any]) -> dict[str, Any]:
        if part["type"] == "text":
            return part
        buffer = io.BytesIO()
        part["image"].save(buffer, "PNG")
        url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        return {"type": "image_url", "image_url": {"url": url}}

    out = []
    for message in sample.messages[:-1]:
        m = dict(message)
        if isinstance(m.get("content"), list):
            m["content"] = [chunk(part) for part in m["content"]]
        if m.get("tool_calls"):
            m["tool_calls"] = [
                call | {"function": f | {"arguments": json.dumps(f["arguments"])}}
                for call in m["tool_calls"]
                for f in (call["function"],)
            ]
        out.append(m)
    return out


def is_right(answer: dict[str, Any], message: Any) -> bool:
    """Exact match: the same text, or the same calls with the same arguments in the same order."""
    calls = message.tool_calls or []
    try:
        got = [(c.function.name, json.loads(c.function.arguments)) for c in calls]
    except json.JSONDecodeError:
        return False
    wanted = [(c["function"]["name"], c["function"]["arguments"]) for c in answer.get("tool_calls", [])]
    text = "" if wanted else answer["content"].strip()
    return got == wanted and (bool(wanted) or (message.content or "").strip() == text)


class Exam:
    """Asks one server. `wrong` keeps what failed, for whoever wants to know why."""

    def __init__(self, client: AsyncOpenAI, model: str, draws: int, seed: int) -> None:
        self.client, self.model, self.draws, self.seed = client, model, draws, seed
        self.wrong: list[dict[str, Any]] = []

    async def reply(self, sample: Sample, temperature: float = 0.0, max_tokens: int = 600) -> Any:
        extra: dict[str, Any] = {"tools": sample.tools} if sample.tools else {}
        request: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens, **extra}
        messages: Any = as_openai(sample)
        reply = await self.client.chat.completions.create(model=self.model, messages=messages, **request)
        return reply.choices[0]

    async def share(self, samples: list[Sample], good: Callable[[Sample], Awaitable[bool]]) -> int:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(sample: Sample) -> bool:
            async with gate:
                return await good(sample)

        return sum(await asyncio.gather(*(one(s) for s in samples)))

    def samples(self, skills: tuple[str, ...]) -> list[Sample]:
        rng = random.Random(f"exam/{self.seed}/{skills}")
        draw = [SKILLS[skills[i % len(skills)]](rng, TEST) for i in range(self.draws)]
        return [with_system(s, rng, TEST) for s in draw]

    async def paper(self, paper: Paper) -> Result:
        async def good(sample: Sample) -> bool:
            message = (await self.reply(sample)).message
            ok = is_right(sample.answer, message)
            if not ok:
                calls = [(c.function.name, c.function.arguments) for c in message.tool_calls or []]
                asked = [m.get("content") for m in sample.messages[:-1]]
                self.wrong.append(
                    {
                        "paper": paper.name,
                        "asked": str(asked)[-600:],
                        "got": message.content,
                        "got_calls": calls,
                        "wanted": sample.answer,
                    }
                )
            return ok

        samples = self.samples(paper.skills)
        return self.result(paper.name, await self.share(samples, good), len(samples), paper.bar)

    async def manners(self) -> list[Result]:
        """Ends by itself; steady at temperature 0.15; falls apart at 1.5."""

        async def ends(sample: Sample) -> bool:
            return (await self.reply(sample, max_tokens=200)).finish_reason == "stop"

        async def again(sample: Sample, temperature: float) -> bool:
            first, second = [(await self.reply(sample, t, 200)).message.content for t in (0.0, temperature)]
            return first == second

        odd, known = self.samples(("other",)), self.samples(("course",))
        cold = await self.share(known, lambda s: again(s, 0.15))
        hot = await self.share(known, lambda s: again(s, 1.5))
        return [
            self.result("ends by itself within 200 tokens", await self.share(odd, ends), len(odd), 0.99),
            self.result("temperature 0.15: the greedy answer again", cold, len(known), 0.95),
            self.result("temperature 1.5: the greedy answer again", hot, len(known), None),
        ]

    @staticmethod
    def result(name: str, right: int, n: int, bar: float | None) -> Result:
        return Result(name, right, n, bar, *wilson(right, n))


def table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    lines = ["| skill | right | of | share | 95 % interval | bar |", "|---|---:|---:|---:|---|---:|"]
    for r in results:
        bar = f"{r.bar:.0%}" if r.bar else ""
        lines.append(
            f"| {r.name} | {r.right} | {r.n} | {r.right / r.n:.1%} | {r.low:.1%} to {r.high:.1%} | {bar} |"
        )
    return "\n".join(lines)


async def sit(exam: Exam, only: str | None) -> list[Result]:
    results = []
    for paper in PAPERS:
        if not only or only in paper.name:
            results.append(await exam.paper(paper))
            print(table(results[-1:]).splitlines()[-1], flush=True)
    if not only:
        results += await exam.manners()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="only the papers whose name holds this")
    parser.add_argument("--write", action="store_true", help="put the table into pocket/README.md")
    parser.add_argument("--json", type=Path, help="write results and wrong answers here")
    args = parser.parse_args()

    import labkit
    from pocket.formats import prepare

    ran = labkit.status().state != "none"
    session = labkit.start()
    use_random_tokens(Template(prepare() / "tekken.json"))
    client = AsyncOpenAI(base_url=session.client.base_url, api_key=session.api_key, timeout=600)
    exam = Exam(client, session.model, args.draws, args.seed)
    try:
        results = asyncio.run(sit(exam, args.only))
    finally:
        if not ran:  # the server of another program stays
            labkit.stop()
    print("\n" + table(results))
    if args.json:
        data = {"results": [asdict(r) for r in results], "wrong": exam.wrong}
        args.json.write_text(json.dumps(data, indent=1, ensure_ascii=False, default=str))
    if args.write:
        card = CARD.read_text("utf-8")
        head, tail = card.split(BEGIN)[0], card.split(END)[1]
        CARD.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()
