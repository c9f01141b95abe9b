"""What a learner reads of lesson 04's exercises."""

from __future__ import annotations

from labkit.lessons.exercise import Texts

TEXT = {
    "4.1": Texts(
        title="A budget for a photograph",
        hints=(
            "`vision.cost(picture).tokens` says what a picture costs the real model. It looks at the size "
            "alone, so a blank one of the same size will do.",
            'Make pictures of one shape and many sizes: `Image.new("RGB", (edge, edge * 3 // 4))`.',
            "Count `edge` down from 1,540 until the cost is 1,000 or less.",
        ),
        correct="{edge:,} pixels, {tokens} tokens. The same photograph at full size would cost {full:,}.",
        not_yet={
            "many": "At {edge:,} pixels the photograph costs {tokens:,} tokens, more than 1,000. Go lower.",
            "room": "At {edge:,} pixels it costs {tokens:,} tokens. That is within the budget, and a larger "
            "edge is so too: find the largest.",
        },
    ),
    "4.2": Texts(
        title="Trust it or refuse it",
        hints=(
            "A receipt carries its own proof: the items and the total are read apart from each other, and "
            "have to agree.",
            'Add up `each["price"]` for each of `data["items"]`, and compare with `data["total"]`.',
            "Computers add 0.1 and 0.2 to 0.30000000000000004. Compare with `abs(sum - total) < 0.005`.",
        ),
        correct="It lets honest receipts pass, and catches a digit that was misread. No model was asked for "
        "that, so nothing can talk it out of it.",
        not_yet={
            "form": "You handed over {found}. Wanted is the function itself, without brackets: `trusted`.",
            "good": "A receipt whose items and total agree was refused: {data}. Prices have decimals that "
            "computers cannot hold exactly: allow half a cent.",
            "bad": "A receipt whose items add up to {added:.2f} was trusted with a total of {total:.2f}. "
            "Compare the two.",
            "empty": "A receipt without items was trusted. There is nothing to add up, so nothing is proved.",
        },
    ),
    "4.3": Texts(
        title="Five in one request",
        hints=(
            "`draw_shapes([thing], size=(112, 112))` draws one thing; a list of pictures goes into `image=`.",
            'Ask for one of them by its name: `"Which picture shows a green star?"`.',
            'Hand over `{"things": things, "wanted": "green star", "reply": reply}`.',
        ),
        correct="It found the {wanted} in place {place} of {n}, and read {tokens} tokens for it.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"things": [...], "wanted": "...", "reply": '
            "reply}}`: what you drew, what you asked for, and the answer.",
            "few": "Only {n} things. Send five or more, one to a picture, all in one request.",
            "twice": "`wanted` has to be one of the things, and just once: {wanted}.",
            "words": "The model read {tokens} tokens, too few for {n} pictures. Give them all in one "
            "`image=[...]`.",
            "other": "The {wanted} is in place {place}, and the model says: {said}. Look whether you can "
            "see what it "
            "took for it, then draw something clearer.",
        },
    ),
    "4.4": Texts(
        title="Half the tokens",
        hints=(
            "`probes.charts(session, longest=...)` draws the same charts with a smaller longer edge, and "
            "prints the tokens a question.",
            "Try a few edges, and keep the largest that costs no more than half: "
            "`small.tokens <= full.tokens / 2`.",
            "It is surely worse if even the upper end of its interval is below the lower end of the other's: "
            "`small.interval[1] < full.interval[0]`.",
        ),
        correct="{small} of {n} right instead of {full}, at {share:.0%} of the tokens. {verdict}",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"full": full, "small": small, "worse": ...}}`: '
            "two of `probes.charts`, and True or False.",
            "cases": "The two have {full} and {small} charts. Ask both about the same ones, 20 or more.",
            "dear": "A question about the small charts costs {small:.0f} tokens, more than half of "
            "{full:.0f}. Make them smaller: `longest=`.",
            "verdict": "The intervals are {full_low:.0%} to {full_high:.0%}, and {small_low:.0%} to "
            "{small_high:.0%}: they {overlap}. Look again at `worse`.",
        },
    ),
}
VERDICTS = {
    True: "That is worse for sure: the intervals do not meet.",
    False: "The intervals overlap, so twenty charts cannot tell the two apart.",
}
OVERLAP = {True: "do not meet", False: "overlap"}
