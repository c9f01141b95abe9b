"""Text in pictures: signs, prices, numbers, dates, codes, and till receipts.

From one large letter to twelve small ones: easy draws teach the letters, hard ones teach to read on.
"""

from __future__ import annotations

import random
from dataclasses import replace

from PIL import Image

from pocket.drawings.paper import Receipt, draw_receipt
from pocket.recipe import picture_words as words
from pocket.recipe import pictures
from pocket.recipe.pictures import holding, listing, see
from pocket.recipe.sample import TEST, TRAIN, Sample, Skill, and_then
from pocket.recipe.signs import a_date, a_letter, a_word
from pocket.recipe.wordings import documents as say

FOOTS = (
    "Thank you!",
    "THANK YOU",
    "Have a nice day",
    "See you soon!",
    "Goodbye!",
    "Come again",
    "Paid by card",
    "Cash",
)
MONO = ("mono", "mono bold", "mono", "mono", "sans", "serif")


def a_receipt(rng: random.Random, split: str) -> Receipt:
    """One to five items (the exam: one to three) at different prices, and their true total."""
    count = rng.randint(1, 3) if split == TEST or rng.random() < 0.7 else rng.randint(4, 5)
    strange = 0.15 if split == TEST else 0.4
    cents = rng.sample(range(20, rng.choice((1000, 2000, 10000))), count)
    sign = rng.choices(("", "$", "€"), (6, 2, 2))[0]
    prices = [f"{sign}{c // 100}.{c % 100:02d}" for c in [*cents, sum(cents)]]
    extra = 0.15 if split == TEST else 0.25
    return Receipt(
        words.shop(rng, split, strange),
        tuple(zip(words.goods(rng, split, count, strange), prices, strict=False)),
        prices[-1],
        words.fresh(rng, split, a_date) if rng.random() < extra else "",
        rng.choice(FOOTS) if rng.random() < extra else "",
        rng.choice(("TOTAL", "Total", "TOTAL", "SUM", "Sum")),
    )


def print_receipt(rng: random.Random, receipt: Receipt) -> Image.Image:
    """Print it in letters of 16 to 22 pixels, wide enough for its longest line."""
    rows = receipt.lines()
    longest = max(len(row) for row in rows) + 2
    font_size = rng.randint(16, max(17, min(22, int(305 / (longest * 0.61)))))
    size = holding(rng, longest * font_size * 0.61 + 28, len(rows) * font_size * 1.4 + 14, 84)
    look = pictures.style(rng, font_size, font_size, MONO)
    scale = pictures.drawn_scale(rng)
    drawn = draw_receipt(
        receipt,
        pictures.scaled(size, scale),
        replace(look, size=round(font_size * scale)),
        rules=rng.random() < 0.6,
        shift=rng.random(),
    )
    return pictures.as_seen(drawn, size)


def _about(rng: random.Random, split: str, receipt: Receipt) -> tuple[str, str]:
    """A question about a receipt, and its answer."""
    amount = {name: float(price.lstrip("$€")) for name, price in receipt.items}
    printed = dict(receipt.items)
    item = rng.choice(list(printed))
    most, least = max(amount, key=lambda k: amount[k]), min(amount, key=lambda k: amount[k])
    number = "There is 1 item." if len(amount) == 1 else f"There are {len(amount)} items."
    bought = [f"{name} for {price}" for name, price in receipt.items]
    listed = ", ".join(f"{name} {price}" for name, price in receipt.items)
    choices = (
        (3.0, say.TOTAL, f"The total is {receipt.total}."),
        (3.5, say.PRICE, f"{item} costs {printed[item]}."),
        (1.5, say.SHOP, f"The shop is {receipt.shop}."),
        (0.8, say.ITEMS, number),
        (1.2, say.DEAREST, f"The dearest item is {most}, at {printed[most]}."),
        (0.8, say.CHEAPEST, f"The cheapest item is {least}, at {printed[least]}."),
        (
            1.0,
            say.BOUGHT,
            f"The items are {listing(bought)}." if len(bought) > 1 else f"The only item is {bought[0]}.",
        ),
        (2.0, say.DESCRIBE, f"A receipt from {receipt.shop}: {listed}, total {receipt.total}."),
        (4.5 if split == TRAIN else 1.5, say.READ, "; ".join(receipt.lines())),
    )
    _, wordings, told = rng.choices(choices, [c[0] for c in choices])[0]
    return wordings.pick(rng, split, item=item), told


def receipts(rng: random.Random, split: str) -> Sample:
    receipt = a_receipt(rng, split)
    picture = print_receipt(rng, receipt)
    questions = rng.randint(1, 3) if split == TRAIN else 1
    return and_then(*(see(rng, *_about(rng, split, receipt), [picture]) for _ in range(questions)))


def receipt_json(rng: random.Random, split: str) -> Sample:
    """Shop, items and total; prices are numbers with the two decimals that are printed."""
    receipt = a_receipt(rng, split)
    items = ", ".join(f'{{"name": "{name}", "price": {price.lstrip("$€")}}}' for name, price in receipt.items)
    told = f'{{"shop": "{receipt.shop}", "items": [{items}], "total": {receipt.total.lstrip("$€")}}}'
    return see(rng, say.AS_JSON.pick(rng, split), told, [print_receipt(rng, receipt)])


SKILLS: dict[str, Skill] = {
    "letters": a_letter,
    "words": a_word,
    "receipts": receipts,
    "receipt_json": receipt_json,
}
