"""Lesson 03, Transformers in 4 bits: bits a weight, what stays, the template by hand, temperature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, Texts, shown
from labkit.probes.weights import Weights

TITLE = "Transformers in 4 bits"

TEXT = {
    "3.1": Texts(
        title="How many bits are 4 bits?",
        hints=(
            "A weight of BF16 has 16 bits. The layers' bytes, before and after, say how many are left.",
            "Only the squeezed ones: each of `squeezed.layers` has `bytes_before` and `bytes_after`.",
            "All `bytes_after`, added up, divided by all `bytes_before`, times 16.",
        ),
        correct="{bits:.3f} bits. The {over:.3f} above 4 are scales: 8 bits for each 64 weights are 0.125, "
        "and the scales of the scales are the rest.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"weights": ..., "bits": ...}}`: what '
            "`probes.weights()` gave you, and your number.",
            "four": "4 bits are what a weight takes. Its share of the scales comes on top: divide the bytes.",
            "whole": "{found} is the mean over all weights, those that stay among them. Take the squeezed "
            "layers alone, `.layers`.",
            "wrong": "{found} is not it. {before:,} bytes at 16 bits a weight have become {after:,}.",
        },
    ),
    "3.2": Texts(
        title="Full eyes",
        hints=(
            "The configuration can name what is to stay: `llm_int8_skip_modules=[...]`, for 4 bits as well.",
            "A list of yours takes the place of Transformers' own, so name the output layer too.",
            'The names: `"model.vision_tower"`, `"model.multi_modal_projector"`, `"lm_head"`.',
        ),
        correct="{text} layers of the text are squeezed, and none of the eyes. On the real model the vision "
        "tower and the projector take 0.6 GiB more this way.",
        not_yet={
            "form": "{found} is no model. Hand over what `from_pretrained(...)` gave you.",
            "full": "Nothing is squeezed in this model: give it a `quantization_config`.",
            "vision": "`{layer}` is squeezed, and it is part of the eyes. Name its part from the first "
            "word on: a name that fits nothing is passed over in silence.",
            "head": 'The output layer is squeezed: your list replaced the usual one. Add `"lm_head"`.',
            "text": "None of the text's layers is squeezed. Keep only the eyes and the output layer.",
        },
    ),
    "3.3": Texts(
        title="The template by hand",
        hints=(
            "Look at the coloured view: which control tokens come before the question, and which after it?",
            '`tokenizer.convert_tokens_to_ids("[INST]")` is a control token\'s number, and '
            "`tokenizer.encode(text, add_special_tokens=False)` makes those of a text.",
            "In this order: `<s>`, `[SYSTEM_PROMPT]`, the system text, `[/SYSTEM_PROMPT]`, `[INST]`, the "
            "question, `[/INST]`.",
        ),
        correct="All {count} tokens are the template's own. This is what every engine of this course sends.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"messages": ..., "ids": ..., "tokenizer": ...}}`.',
            "messages": "Wanted are two messages: the system's, then the user's.",
            "ids": "{found} is no list of whole numbers.",
            "typed": "None is a control token: as text, `[INST]` is {count} tokens. Take its number.",
            "differs": "Token {place} is `{mine}` in yours, and `{right}` in the template.",
        },
    ),
    "3.4": Texts(
        title="As likely as not",
        hints=(
            "The lower the temperature, the more the likeliest token gets. Where does it have a half?",
            "`probes.temperature(logits, tokenizer).at(0.7)[0]` is its chance at 0.7. Try others.",
            "It only falls as the temperature rises: halve the gap between too low and too high, in a loop.",
        ),
        correct="At {temperature:.2f} the likeliest token comes {chance:.0%} of the time. At 0.15 it comes "
        "{guide:.0%} of the time: that is what the guide's number does.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"logits": ..., "temperature": ...}}`.',
            "row": "These logits have the shape {found}. Wanted is one row: `model(**inputs).logits[0, -1]`.",
            "tie": "Two tokens share the first place here, so none has a half. Ask another question.",
            "low": "At {temperature:.3g} the likeliest token comes {chance:.0%} of the time. Go higher.",
            "high": "At {temperature:.3g} the likeliest token comes {chance:.0%} of the time. Go lower.",
        },
    ),
}


class BitsAWeight(Exercise):
    """3.1: the bits that a squeezed weight takes, scales included."""

    id = "3.1"
    texts = TEXT[id]
    code = """\
from labkit import probes

squeezed = probes.weights()
before = sum(layer.bytes_before for layer in squeezed.layers)
after = sum(layer.bytes_after for layer in squeezed.layers)
check("3.1", {"weights": squeezed, "bits": 16 * after / before})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"weights": Weights, "bits": number}."""
        if not _has(answer, "weights", "bits") or not isinstance(answer["weights"], Weights):
            return self.not_yet("form", found=shown(answer))
        layers, parts = answer["weights"].layers, answer["weights"].parts.values()
        bits = grading.number(answer["bits"], 0, 16)
        before, after = (sum(sizes) for sizes in zip(*(each[1:3] for each in layers), strict=True))
        right = 16 * after / before
        if abs(bits - right) < 0.01:
            return self.correct(bits=right, over=right - 4)
        if bits == 4:
            return self.not_yet("four")
        if abs(bits - 16 * sum(after for _, after in parts) / sum(before for before, _ in parts)) < 0.05:
            return self.not_yet("whole", found=shown(f"{bits:.2f}"))
        return self.not_yet("wrong", found=shown(f"{bits:.4g}"), before=before, after=after)


class FullEyes(Exercise):
    """3.2: a model in NF4 whose vision tower, projector and output layer stay in BF16."""

    id = "3.2"
    texts = TEXT[id]
    code = """\
import torch
from pocket.formats import prepare
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

config = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type="nf4",
    bnb_4bit_compute_dtype=torch.bfloat16,
    bnb_4bit_use_double_quant=True,
    llm_int8_skip_modules=["model.vision_tower", "model.multi_modal_projector", "lm_head"],
)
mine = AutoModelForImageTextToText.from_pretrained(
    prepare(), dtype=torch.bfloat16, device_map="auto", quantization_config=config
)
check("3.2", mine)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: a model of Transformers'."""
        if not hasattr(answer, "named_modules"):
            return self.not_yet("form", found=shown(answer))
        squeezed = [name for name, module in answer.named_modules() if type(module).__name__ == "Linear4bit"]
        if not squeezed:
            return self.not_yet("full")
        if eyes := [name for name in squeezed if "vision_tower" in name or "projector" in name]:
            return self.not_yet("vision", layer=eyes[0])
        if any(name.endswith("lm_head") for name in squeezed):
            return self.not_yet("head")
        text = [name for name in squeezed if "language_model" in name]
        return self.correct(text=len(text)) if text else self.not_yet("text")


class TemplateByHand(Exercise):
    """3.3: the tokens of a system message and a question, put together by hand."""

    id = "3.3"
    texts = TEXT[id]
    code = """\
from labkit.engines import transformers_engine

tokenizer = transformers_engine.current().tokenizer
messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is NF4?"}]
number = tokenizer.convert_tokens_to_ids
words = [tokenizer.encode(each["content"], add_special_tokens=False) for each in messages]
ids = [number("<s>"), number("[SYSTEM_PROMPT]"), *words[0], number("[/SYSTEM_PROMPT]")]
ids += [number("[INST]"), *words[1], number("[/INST]")]
check("3.3", {"messages": messages, "ids": ids, "tokenizer": tokenizer})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"messages": two messages, "ids": list of int, "tokenizer": Transformers' own}."""
        if not _has(answer, "messages", "ids", "tokenizer"):
            return self.not_yet("form", found=shown(answer))
        messages, ids, tokenizer = answer["messages"], answer["ids"], answer["tokenizer"]
        if [each.get("role") for each in messages] != ["system", "user"]:
            return self.not_yet("messages")
        ids = ids.flatten().tolist() if hasattr(ids, "flatten") else ids
        if not isinstance(ids, list | tuple) or not all(type(each) is int for each in ids):
            return self.not_yet("ids", found=shown(ids))
        if not set(ids) & {tokenizer.convert_tokens_to_ids(name) for name in ("[INST]", "[SYSTEM_PROMPT]")}:
            return self.not_yet("typed", count=len(tokenizer.encode("[INST]", add_special_tokens=False)))
        right = list(tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"])
        for place in range(max(len(ids), len(right))):
            mine, wanted = list(ids[place : place + 1]), right[place : place + 1]
            if mine != wanted:
                words = [tokenizer.decode(each) if each else "nothing" for each in (mine, wanted)]
                return self.not_yet("differs", place=place + 1, mine=words[0], right=words[1])
        return self.correct(count=len(ids))


class AsLikelyAsNot(Exercise):
    """3.4: the temperature at which the likeliest next token gets a half."""

    id = "3.4"
    texts = TEXT[id]
    code = """\
import torch
from labkit import probes
from labkit.engines import transformers_engine

inside = transformers_engine.current()
question = [{"role": "user", "content": "Tell me something about GPUs."}]
inputs = inside.tokenizer.apply_chat_template(question, return_tensors="pt").to(inside.model.device)
with torch.no_grad():
    logits = inside.model(**inputs).logits[0, -1]
chances = probes.temperature(logits, inside.tokenizer)
low, high = 0.001, 100.0
while high - low > 0.001:
    middle = (low + high) / 2
    low, high = (middle, high) if chances.at(middle)[0] > 0.5 else (low, middle)
check("3.4", {"logits": logits, "temperature": low})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"logits": one score for each token, "temperature": number}."""
        if not _has(answer, "logits", "temperature"):
            return self.not_yet("form", found=shown(answer))
        given = answer["logits"]
        scores = given.flatten().tolist() if hasattr(given, "flatten") else list(given)
        shape = tuple(getattr(given, "shape", (len(scores),)))
        if len(shape) != 1 or len(scores) < 2:
            return self.not_yet("row", found=shown(shape))
        first, second = sorted(scores)[-1:-3:-1]
        if first - second < 1e-6:
            return self.not_yet("tie")
        temperature = grading.number(answer["temperature"], 1e-6, 1e6)
        chance, guide = _chance(scores, temperature), _chance(scores, 0.15)
        if abs(chance - 0.5) > 0.03:
            return self.not_yet("low" if chance > 0.5 else "high", temperature=temperature, chance=chance)
        return self.correct(temperature=temperature, chance=chance, guide=guide)


def _chance(scores: list[float], temperature: float) -> float:
    """Of the likeliest token."""
    best = max(scores)
    return 1 / sum(math.exp((each - best) / temperature) for each in scores)


def _has(answer: Any, *names: str) -> bool:
    return isinstance(answer, Mapping) and all(name in answer for name in names)


EXERCISES: tuple[Exercise, ...] = (BitsAWeight(), FullEyes(), TemplateByHand(), AsLikelyAsNot())
