"""Generating: one request becomes tokens, one after another, and can be given up at any of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labkit.engines.transformers_engine.asking import Request
from labkit.engines.transformers_engine.loading import Loaded

_LOOK_AGAIN_S = 0.2


@dataclass(frozen=True)
class Token:
    """One token of an answer."""

    id: int
    logprob: float | None = None
    """Natural logarithm of the probability that the model itself gave it, before temperature and top_p."""
    best: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens here with their log probabilities."""


class Generation:
    """One running generation: iterate over it for its tokens. `cancel` ends it after the token at hand."""

    def __init__(self, loaded: Loaded, asked: Request) -> None:
        self._loaded, self._asked = loaded, asked
        self._tokens: queue.SimpleQueue[Token | BaseException | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        threading.Thread(target=self._run, name="generate", daemon=True).start()

    def __iter__(self) -> Iterator[Token]:
        while (token := self._tokens.get()) is not None:
            if isinstance(token, BaseException):
                raise token
            yield token

    def cancel(self) -> None:
        """No more tokens. Returns at once."""
        self._cancelled.set()

    def _run(self) -> None:
        turn = self._loaded.turn
        try:
            while not turn.acquire(timeout=_LOOK_AGAIN_S):
                if self._cancelled.is_set():
                    return
            try:
                if not self._cancelled.is_set():
                    self._generate()
                    self._loaded.opened()  # whose model went away in mid-answer hears of it
            finally:
                turn.release()
        except BaseException as error:  # it belongs to the thread that reads
            self._tokens.put(error)
        finally:
            self._tokens.put(None)

    def _generate(self) -> None:
        import torch

        loaded, asked = self._loaded.opened(), self._asked
        if asked.seed is not None:
            torch.manual_seed(asked.seed)
        how: dict[str, Any] = {"do_sample": False, "temperature": None}
        if asked.temperature > 0:
            how = {"do_sample": True, "temperature": asked.temperature, "top_p": asked.top_p, "top_k": 0}
        if asked.ignore_eos:
            how["min_new_tokens"] = asked.max_tokens
        scores = _Scores()
        if asked.top_logprobs is not None:
            how["logits_processor"] = [scores]
        with _threads(loaded.threads):
            loaded.model.generate(
                **asked.inputs,
                max_new_tokens=asked.max_tokens,
                streamer=_Streamer(self._tokens, scores, asked.top_logprobs),
                stopping_criteria=[_stop_when(self._cancelled, loaded.closing)],
                **how,
            )


class _Scores:
    """Looks at the model's own scores. Transformers calls it before temperature and top_p change them."""

    row: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        self.row = scores[0].float().log_softmax(-1)
        return scores


class _Streamer:
    """What `generate` hands each new token to; the prompt comes first, in one piece."""

    def __init__(self, tokens: queue.SimpleQueue[Any], scores: _Scores, best: int | None) -> None:
        self._tokens, self._scores, self._best = tokens, scores, best
        self._prompt = True

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        for token in value.flatten().tolist():
            self._tokens.put(Token(token) if self._best is None else self._with_scores(token, self._best))

    def end(self) -> None:
        """Part of what `generate` asks of a streamer."""

    def _with_scores(self, token: int, best: int) -> Token:
        values, ids = self._scores.row.topk(best)
        pairs = tuple(zip(ids.tolist(), values.tolist(), strict=True))
        return Token(token, self._scores.row[token].item(), pairs)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """PyTorch computes with so many threads inside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _stop_when(*events: threading.Event) -> Any:
    import torch
    from transformers import StoppingCriteria

    class Cancelled(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            now = any(event.is_set() for event in events)
            return torch.full((input_ids.shape[0],), now, device=input_ids.device)

    return Cancelled()
