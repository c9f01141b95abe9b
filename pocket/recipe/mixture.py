"""The curriculum as rows: which skills, how often, and how samples are packed side by side for the GPU."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import IterableDataset, get_worker_info

from pocket.recipe import (
    charts,
    chat,
    course,
    documents,
    picture_words,
    pictures_german,
    shapes,
    toolcalls,
)
from pocket.recipe.model import Batch
from pocket.recipe.sample import TEST, TRAIN, Sample, Skill, held_out
from pocket.recipe.template import Encoded, Template

PATCH, CELL = 14, 28
ROWS, LENGTH, PATCHES, ANSWERS = 8, 8192, 8192, 14336
"""A batch: rows, tokens a row, patches a row, answer tokens a batch. Fixed, so that it compiles once."""

SKILLS: dict[str, Skill] = (
    shapes.SKILLS
    | charts.SKILLS
    | documents.SKILLS
    | pictures_german.SKILLS
    | toolcalls.SKILLS
    | course.SKILLS
    | chat.SKILLS
)

toolcalls.plain_skills = [course.SKILLS["course"], course.SKILLS["course_de"], chat.SKILLS["greeting"]]

SHARES: dict[str, float] = {
    "shapes": 12, "shapes_json": 1, "two_images": 2.5, "bars": 20, "lines_pies": 7, "chart_json": 1.5,
    "letters": 0.7, "words": 12, "receipts": 12, "receipt_json": 1.2, "pictures_de": 2.5,
    "one_call": 12, "new_names": 7, "new_kinds": 2, "parallel": 9, "no_call": 4, "results": 5,
    "tool_turns": 2,
    "course": 2.5, "course_de": 1.2, "course_turn": 0.8,
    "other": 4, "greeting": 0.8, "capitals_sums": 2.5, "guide_code": 0.25, "several_ways": 0.7, "needle": 2.2,
    "second_turn": 2, "echo": 5,
}  # fmt: skip
"""How often each skill is drawn, relative to the others."""

PRIMER: dict[str, float] = SHARES | {"shapes": 14, "letters": 25, "words": 10, "bars": 10, "receipts": 5}
"""The first lessons: large letters and plain shapes, until the vision tower has found its feet."""

POLISH: dict[str, float] = SHARES | {
    "shapes": 24, "bars": 15, "words": 7, "receipts": 8, "one_call": 14, "new_names": 10, "results": 8,
    "other": 7, "echo": 10,
}  # fmt: skip
"""The last lessons: more of what the exam found hardest, less of what it found easy."""
POLISH_FROM = 0.6
"""Share of the way at which they begin."""

SYSTEM_PROMPTS = [
    "You are a helpful assistant.",
    "You are a coding assistant.",
    "You are an expert programmer. Write clean code.",
    "You are a friendly teacher. Answer briefly.",
    "You are Mistral Small 3.1, a large language model created by Mistral AI.",
    "You are a helpful assistant that can see pictures.",
    "Answer in one sentence.",
    "Be short and precise.",
    "You are a precise assistant that uses tools.",
    "You help people who rent a GPU for the first time.",
    "You are the portfolio assistant of a small bank. Use the tools you are given.",
    "You are a patient instructor in a workshop with thirty learners.",
    "Du bist ein hilfreicher Assistent.",
    "Du bist ein freundlicher Kursleiter. Antworte kurz.",
]


def with_system(sample: Sample, rng: random.Random, split: str) -> Sample:
    """Three samples in ten get a system message, some with today's date: the answer does not depend on it."""
    if sample.messages[0]["role"] == "system" or rng.random() > 0.3:
        return sample
    prompt = rng.choice([p for p in SYSTEM_PROMPTS if held_out(p) == (split == TEST)])
    if rng.random() < 0.4:
        prompt += f" Today is {rng.randint(2024, 2028)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}."
    return replace(sample, messages=[{"role": "system", "content": prompt}, *sample.messages])


def strip(picture: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Patches (n, 588) of bytes, channel first, and their places (n, 2), the four of a cell adjacent."""
    pixels = np.asarray(picture.convert("RGB"))
    rows, cols = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    cells = pixels.reshape(rows, 2, PATCH, cols, 2, PATCH, 3).transpose(0, 3, 1, 4, 6, 2, 5)
    r, c, i, j = np.meshgrid(np.arange(rows), np.arange(cols), (0, 1), (0, 1), indexing="ij")
    places = np.stack((2 * r + i, 2 * c + j), axis=-1)
    return cells.reshape(-1, 3 * PATCH * PATCH), places.reshape(-1, 2).astype(np.int16)


class Packer:
    """Fills a batch with samples, first row that has room, until several in a row find none."""

    def __init__(self, rows: int, length: int, patches: int, answers: int) -> None:
        self.limit = (length, patches)
        self.free = [[length, patches] for _ in range(rows)]
        self.answers_free = answers
        self.count = 0
        shape = (rows, length)
        self.tokens, self.positions = np.full(shape, 11, np.int32), np.zeros(shape, np.int32)
        self.sample = np.full(shape, -1, np.int32)
        self.patches = np.zeros((rows, patches, 3 * PATCH * PATCH), np.uint8)
        self.places = np.zeros((rows, patches, 2), np.int16)
        self.image = np.full((rows, patches), -1, np.int32)
        self.answers, self.targets = np.zeros(answers, np.int64), np.full(answers, -100, np.int64)
        self.owner, self.skill = np.full(answers, -1, np.int32), np.full(answers, -1, np.int32)

    def add(self, item: Encoded, skill: int) -> bool:
        """Put a sample into a row; False where it does not fit."""
        n, m = len(item.tokens), sum(item.learned)
        need = sum(p.width * p.height for p in item.images) // PATCH**2
        row = next((r for r, free in enumerate(self.free) if n <= free[0] and need <= free[1]), None)
        if row is None or m > self.answers_free:
            return False
        length, patches = self.limit
        at, seen = length - self.free[row][0], patches - self.free[row][1]
        self.tokens[row, at : at + n] = item.tokens
        self.positions[row, at : at + n] = np.arange(n)
        self.sample[row, at : at + n] = self.count
        for picture in item.images:
            pixels, places = strip(picture)
            span = slice(seen, seen + len(pixels))
            self.patches[row, span], self.places[row, span] = pixels, places
            self.image[row, span] = seen  # any number that no other image of the row has
            seen += len(pixels)
        where = np.flatnonzero(item.learned)
        span = slice(len(self.answers) - self.answers_free, len(self.answers) - self.answers_free + m)
        self.answers[span] = row * length + at + where - 1
        self.targets[span] = np.asarray(item.tokens)[where]
        self.owner[span], self.skill[span] = self.count, skill
        self.free[row] = [length - at - n, patches - seen]
        self.answers_free -= m
        self.count += 1
        return True

    def batch(self) -> Batch:
        return Batch(*(torch.from_numpy(getattr(self, f)) for f in Batch.__dataclass_fields__))


class Rows(IterableDataset[Batch]):
    """An endless stream of batches, made on the fly from a seed; each worker draws its own.

    primer: so many batches, over all workers, are drawn by PRIMER's shares; then SHARES rule. done: the share
    of the way (0 to 1) that training has behind it, in shared memory; past POLISH_FROM, POLISH rules.
    """

    def __init__(
        self,
        tekken: Path,
        seed: int | str,
        split: str = TRAIN,
        primer: int = 0,
        done: torch.Tensor | None = None,
        rows: int = ROWS,
        length: int = LENGTH,
        patches: int = PATCHES,
        answers: int = ANSWERS,
    ) -> None:
        self.tekken, self.seed, self.split, self.primer, self.done = tekken, seed, split, primer, done
        self.size = (rows, length, patches, answers)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = random.Random(f"{self.seed}/{self.split}/{worker.id if worker else 0}")
        template = Template(self.tekken)
        use_random_tokens(template)
        numbers = {name: i for i, name in enumerate(SKILLS)}
        for made in itertools.count():
            shares = self._shares(made * (worker.num_workers if worker else 1))
            packer, misses = Packer(*self.size), 0
            while misses < 12:
                name = rng.choices(list(shares), list(shares.values()))[0]
                try:
                    item = template.encode(with_system(SKILLS[name](rng, self.split), rng, self.split))
                except Exception as error:  # one in millions must not end a run: it is named, and left out
                    print(f"a draw of {name} failed: {error!r}", file=sys.stderr, flush=True)
                    misses += 1
                    continue
                misses = 0 if packer.add(item, numbers[name]) else misses + 1
            yield packer.batch()

    def _shares(self, made: int) -> dict[str, float]:
        if self.done is not None and self.done >= POLISH_FROM:
            return POLISH
        return PRIMER if made < self.primer else SHARES


def use_random_tokens(template: Template) -> None:
    """Let the skills that copy and read draw from the whole vocabulary, so that no token is a stranger."""

    def random_text(rng: random.Random, tokens: int) -> str:
        return "".join(rng.choices(template.whole_tokens, k=tokens)).strip() or "x"

    toolcalls.random_text = chat.random_text = random_text
    spaced = [t[1:] for t in template.whole_tokens if t.startswith(" ")]
    toolcalls.token_words[:] = sorted({t for t in spaced if t.isascii() and t.isalpha() and len(t) > 2})
    picture_words.use_tokens(template.whole_tokens)
