"""Drills with a request: the server is well, and what it is asked is not."""

from __future__ import annotations

from typing import Any

from labkit.clinic.drills.contract import Drill, Outcome
from labkit.clinic.drills.serving import QUESTION, WEATHER, asked, other_service, square
from labkit.session import Session

TEXT = {
    "answers": "temperature {temperature}: {count} answers to one question, {distinct} different\n{lines}",
    "question": "Which GPU does Mistral Small 3.1 need in 4 bit?",
}


class _Request(Drill):
    """`options` are what the request differs in; they look at `mended`."""

    def fault(self) -> None:
        self.live = self.stage.healthy()
        self.mended = False

    def options(self) -> dict[str, Any]:
        """What the request says, before the cure and after it."""
        return {}

    def attempt(self) -> Outcome:
        return asked(self.live, **self.options())

    def mend(self) -> None:
        self.mended = True


class WrongName(_Request):
    name = "wrong-model-name"
    title = "a model that nobody knows"
    story = "The request names the model as the guide does, and the server does not know it."
    symptom = "model-unknown"
    choices = ("model-unknown", "no-v1", "wrong-key", "hub-unreachable")
    cured = "The request uses the name that the server gives: `client.models.list()`."

    def options(self) -> dict[str, Any]:
        return {} if self.mended else {"model": "mistralai/Mistral-Small-3.1-24B-Instruct-2503"}


class WrongKey(_Request):
    name = "wrong-key"
    title = "a door that stays shut"
    story = "The server is there, and it does not let you in."
    symptom = "wrong-key"
    choices = ("wrong-key", "connection-refused", "hub-gated", "model-unknown")
    cured = "The request carries the server's own key, as labkit.connect() does."

    def attempt(self) -> Outcome:
        live = self.live if self.mended else Session(self.live.url, "yesterday's-key", self.live.model)
        return asked(live)


class NoV1(_Request):
    name = "base-url"
    title = "the right machine, the wrong address"
    story = "The client has the server's address, and every request is a 404."
    symptom = "no-v1"
    choices = ("no-v1", "model-unknown", "other-service", "wrong-key")
    cured = "The address ends in `/v1`."

    def attempt(self) -> Outcome:
        url = self.live.url if self.mended else self.live.url.removesuffix("/v1")
        return asked(Session(url, self.live.api_key, self.live.model))


class PromptTooLong(_Request):
    name = "prompt-too-long"
    title = "more text than the model may read"
    story = "A whole book goes into one question."
    symptom = "prompt-too-long"
    choices = ("prompt-too-long", "context-over-cache", "context-over-model", "ollama-busy")
    cured = "The text was cut to what fits."

    def options(self) -> dict[str, Any]:
        book = "A page about graphics cards. " * 9000
        return {"messages": [{"role": "user", "content": book[:2000] if self.mended else book}]}


class ToolId(_Request):
    name = "tool-call-id"
    title = "the second turn of a tool call"
    story = "The first turn went well. The result of the tool goes back, and the server refuses it."
    symptom = "tool-id"
    choices = ("tool-id", "roles-alternate", "assistant-last", "tools-without-parser")
    cured = "The id has nine letters or digits, as the model's own ids have."

    def options(self) -> dict[str, Any]:
        id = "a1B2c3D4e" if self.mended else "call_1"
        function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
        turns = [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": id, "content": '{"sky": "clear", "degrees": 21}'},
        ]
        return {"messages": turns, "tools": [WEATHER]}


class LastWord(_Request):
    name = "last-message"
    title = "a conversation that ends with the model"
    story = "The history ends with the model's own answer, and the server refuses it."
    symptom = "assistant-last"
    choices = ("assistant-last", "roles-alternate", "tool-id", "prompt-too-long")
    cured = "The last message is the user's."

    def options(self) -> dict[str, Any]:
        turns = ("user", "assistant", "user")[: 3 if self.mended else 2]
        return {"messages": [{"role": role, "content": "Hello!"} for role in turns]}


class BadImage(_Request):
    name = "bad-image"
    title = "a picture that is none"
    story = "A file called photo.png goes to the model, and the server refuses it."
    symptom = "image-unreadable"
    choices = ("image-unreadable", "text-only", "too-many-images", "prompt-too-long")
    cured = "A file that is a picture was sent."

    def options(self) -> dict[str, Any]:
        import base64

        if self.mended:
            return {"image": square()}
        page = base64.b64encode(b"<html>404 Not Found</html>").decode()
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{page}"}}
        return {"messages": [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}]}


class TooHot(_Request):
    name = "too-hot"
    title = "poor answers"
    story = "The server is well, the question is simple, and the answers are poor: each time another."
    symptom = "poor-answers"
    choices = ("poor-answers", "model-unknown", "prompt-too-long", "formats-mixed")
    cured = "The temperature is 0.15, as Mistral advises, and a system prompt says who answers."
    _COUNT = 4

    def attempt(self) -> Outcome:
        temperature = 0.15 if self.mended else 1.5
        system = "You are a guide to running models. Answer in one sentence." if self.mended else None
        answers = [
            self.live.chat(
                TEXT["question"], system=system, temperature=temperature, max_tokens=60, seed=seed
            ).text
            for seed in range(self._COUNT)
        ]
        distinct = len(set(answers))
        lines = "\n".join(f"- {' '.join(each.split())}" for each in answers)
        words = TEXT["answers"].format(
            temperature=temperature, count=len(answers), distinct=distinct, lines=lines
        )
        return Outcome(distinct < self._COUNT, words)


class OtherService(_Request):
    name = "other-service"
    title = "an answer, but from whom?"
    story = "Something answers at the address, and it is not the model."
    symptom = "other-service"
    choices = ("other-service", "connection-refused", "no-v1", "port-taken")
    cured = "The client has the model's own address."

    def fault(self) -> None:
        super().fault()
        self.url = f"http://127.0.0.1:{other_service(self.stage)}/v1"

    def attempt(self) -> Outcome:
        return asked(self.live if self.mended else Session(self.url, "EMPTY", self.live.model))


class NobodyThere(_Request):
    name = "nobody-there"
    title = "a tunnel that is gone"
    story = "It worked a minute ago. Now nothing answers at the address."
    symptom = "connection-refused"
    choices = ("connection-refused", "engine-silent", "wrong-key", "other-service")
    cured = "The client has the address of a server that runs."

    def attempt(self) -> Outcome:
        url = self.live.url if self.mended else f"http://127.0.0.1:{self.stage.port()}/v1"
        return asked(Session(url, self.live.api_key, self.live.model))
