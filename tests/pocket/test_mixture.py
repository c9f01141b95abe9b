"""Packing: samples side by side in fixed rows, none lost, none mixed, and the same again from a seed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from PIL import Image

from pocket.formats import prepare
from pocket.recipe.mixture import POLISH, PRIMER, SHARES, SKILLS, Packer, Rows, strip
from pocket.recipe.sample import TEST
from pocket.recipe.template import IMG, Encoded

SMALL: dict[str, Any] = {"rows": 2, "length": 2048, "patches": 1536, "answers": 1024}


def test_every_skill_has_a_share() -> None:
    assert set(SHARES) == set(PRIMER) == set(POLISH) == set(SKILLS)


def test_a_strip_keeps_the_four_patches_of_a_cell_together() -> None:
    picture = Image.fromarray(np.arange(56 * 84 * 3, dtype=np.uint32).reshape(56, 84, 3).astype(np.uint8))
    patches, places = strip(picture)
    assert patches.shape == (4 * 6, 588)
    assert places[:8].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [0, 3], [1, 2], [1, 3]]
    row, column = places[6]
    pixels = np.asarray(picture)[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
    assert (patches[6] == pixels.transpose(2, 0, 1).reshape(-1)).all()


def test_a_batch_is_whole() -> None:
    batch = next(iter(Rows(prepare() / "tekken.json", seed=3, split=TEST, **SMALL)))
    learned = batch.targets >= 0
    at = batch.answers[learned]
    # What is predicted at a place is the token that follows it in the same sample.
    assert (batch.tokens.flatten()[at + 1] == batch.targets[learned]).all()
    assert (batch.sample.flatten()[at + 1] == batch.owner[learned]).all()
    for row in range(2):
        image_tokens = int((batch.tokens[row] == IMG).sum())
        assert image_tokens * 4 == int((batch.image[row] >= 0).sum())
        first = batch.positions[row] == 0
        used = batch.sample[row] >= 0
        assert int((first & used).sum()) == len(set(batch.sample[row][used].tolist()))
        assert int(used.sum()) > 1800


def test_the_same_seed_makes_the_same_batch() -> None:
    one, two, other = (next(iter(Rows(prepare() / "tekken.json", seed=s, **SMALL))) for s in (1, 1, 2))
    assert (one.tokens == two.tokens).all() and (one.patches == two.patches).all()
    assert not (one.tokens == other.tokens).all()


def test_the_primer_ends() -> None:
    def letters(batch: object) -> float:
        skills = batch.skill[batch.owner >= 0]  # type: ignore[attr-defined]
        return float((skills == list(SKILLS).index("letters")).float().mean())

    rows = list(itertools.islice(Rows(prepare() / "tekken.json", seed=1, primer=3, **SMALL), 6))
    assert sum(map(letters, rows[:3])) > 3 * sum(map(letters, rows[3:]))


def test_the_last_lessons_begin_where_training_says_so() -> None:
    def shapes(rows: list[object]) -> float:
        owned = torch.cat([batch.skill[batch.owner >= 0] for batch in rows])  # type: ignore[attr-defined]
        return float((owned == list(SKILLS).index("shapes")).float().mean())

    done = torch.tensor(0.0).share_memory_()
    lessons = iter(Rows(prepare() / "tekken.json", seed=1, done=done, **SMALL))
    before = shapes(list(itertools.islice(lessons, 6)))
    done.fill_(0.7)
    assert shapes(list(itertools.islice(lessons, 6))) > 1.3 * before


def test_what_does_not_fit_is_refused() -> None:
    packer = Packer(rows=1, length=8, patches=0, answers=8)
    assert packer.add(Encoded([1, 3, 5000, 4, 6000, 2], [False] * 4 + [True] * 2, []), 0)
    assert not packer.add(Encoded([1, 3, 4, 2], [False] * 3 + [True], []), 0)
    assert packer.count == 1
