"""What a learner reads of lesson 02's exercises."""

from __future__ import annotations

from labkit.lessons.exercise import Texts

TEXT = {
    "2.1": Texts(
        title="Eight at once",
        hints=(
            "You need two measurements: one request alone, and eight at once.",
            "`probes.speed(session, streams=...)` measures. Hand over both, as a list: `[one, eight]`.",
            "Let them write long enough that the start does not count: `max_tokens=128` for both. If the "
            "machine was busy with something else, measure again.",
        ),
        correct="Eight streams gave {gain:.1f} times the tokens of one, on the same machine, with the same "
        "weights: they were read once for all eight.",
        not_yet={
            "form": "You handed over {found}. Wanted are two measurements in a list: `[one, eight]`, each "
            "made with `probes.speed(session, streams=...)`.",
            "streams": "These measurements have {found} streams. Wanted is one with `streams=1`, and one "
            "with `streams=8`.",
            "unequal": "The two wrote answers of different lengths, {few} and {many} tokens each, so they do "
            "not compare. Give both the same `max_tokens`.",
            "slow": "Eight streams gave {gain:.1f} times the tokens of one, and 1.5 was wanted. Is the "
            "server busy with something else? Measure both again, with `max_tokens=128`.",
        },
    ),
    "2.2": Texts(
        title="Stream it by hand",
        hints=(
            "With `stream=True`, `client.chat.completions.create(...)` gives no answer but something to loop "
            "over: a chunk for each piece.",
            "The words of a chunk are `chunk.choices[0].delta.content`; they may be None or empty, as in the "
            "first one. Collect the others in a list.",
            "`time.monotonic()` before you ask, at the first piece, and after the loop: two differences.",
        ),
        correct="{pieces} pieces, the first after {first:.2f} s, the last after {all:.2f} s. That is what "
        "`session.chat` and `probes.speed` do inside.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"pieces": [...], "first_s": ..., "all_s": ...}}`: '
            "the pieces of text in their order, and two times in seconds.",
            "pieces": "{found} is no list of texts. Collect `chunk.choices[0].delta.content` of every chunk "
            "that has some.",
            "whole": "There is only {count} piece, so this was not a stream, or the answer was one word "
            "long. Ask with `stream=True` for a sentence, and loop over what comes.",
            "order": "The first piece after {first:.2f} s and all after {all:.2f} s: the first must have "
            "come earlier. Take its time inside the loop, when the first piece is there.",
        },
    ),
    "2.3": Texts(
        title="All the room for words",
        hints=(
            "Nobody sends pictures here, so the vision tower need not be there. The table of flags above "
            "names the one for it.",
            '`labkit.plan("4090", vision=False).find("W4A16", "vllm")` is the row of this recipe: `.source`, '
            "`.flags` and `.longest_context` are in it.",
            "W4A16 comes in Hugging Face's format: the three `mistral` format flags have no place here. The "
            "two for tools have.",
        ),
        correct="{context:,} tokens of context on a 4090, where {before:,} fit with the vision tower. "
        "`--language-model-only` freed the room.",
        not_yet={
            "model": "Your command serves {found}. Wanted is the W4A16 checkpoint, which fits a 4090: "
            '`labkit.plan("4090").find("W4A16", "vllm").source`.',
            "format": "{found} asks for Mistral's own format, and W4A16 is in Hugging Face's. Leave the "
            "three format flags out.",
            "vision": "The vision tower is still loaded. One flag leaves it out: `--language-model-only`.",
            "tools": "Without {missing}, tool calls arrive as text, or not at all. Add it.",
            "context": "`--max-model-len` is {found}. Wanted is more than the {before:,} tokens that fit "
            "with vision, and no more than the {most:,} that fit without.",
        },
    ),
    "2.4": Texts(
        title="Count with the server",
        hints=(
            "Read the metrics, ask something, read them again: `before`, `reply`, `after`.",
            "`probes.metrics(session)` gives a dictionary. A reply streams, so wait for its end before you "
            "read again: `reply.text` does.",
            'Hand over all three: `{"before": before, "reply": reply, "after": after}`.',
        ),
        correct="The reply had {tokens} tokens, and the server's count rose by {rise:.0f}. A dashboard reads "
        "the same page.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"before": ..., "reply": ..., "after": ...}}`.',
            "metrics": "{found} is no reading of the metrics. Make both with `probes.metrics(session)`.",
            "same": "The server's count of tokens rose by {rise:.0f}, and the reply has {tokens}. Wait for "
            "the whole reply (`reply.text`) before you read the second time, and read before you ask.",
        },
    ),
    "2.5": Texts(
        title="What a million tokens cost",
        hints=(
            "How many tokens does your measured speed make in a day of 86,400 seconds?",
            "The price of a day, divided by the tokens of a day, times a million.",
            '`speed.tokens_per_s` is the speed of all streams. Hand over `{"speed": many, "dollars": ...}`, '
            "with the guide's 2 dollars a day.",
        ),
        correct="{dollars:.2f} dollars for a million tokens, with {streams} streams busy all day. Half of "
        "the streams idle, and it is nearly twice as much.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"speed": ..., "dollars": ...}}`: a measurement by '
            "`probes.speed`, and your price.",
            "few": "This was measured with {found}. A server is paid for by the day, so fill it: measure "
            "with 16.",
            "wrong": "At {rate:.0f} tokens a second and 2 dollars a day, {found} is not the price of a "
            "million tokens. A day has 86,400 seconds.",
        },
    ),
}
