"""What a learner reads of lesson 07's exercises."""

from __future__ import annotations

from labkit.lessons.exercise import Texts

TEXT = {
    "7.1": Texts(
        title="The cheapest house for thirty",
        hints=(
            "The guide names prices for two cards. Ask the planner for one, two and four of each: "
            '`labkit.plan("2x3090", context=4096, users=30)`.',
            '`.find("W4A16", "vllm").fits` says whether a recipe holds the class, `.why` why not, and '
            "`plan.cards.dollars_a_day` what the machine costs.",
            "One card holds them only with a third of the tokens each. Which is the cheapest pair?",
        ),
        correct="{gpu} with {variant}, {low:.2f} to {high:.2f} dollars a day, and {context:,} tokens for "
        "each of the thirty.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"gpu": "...", "variant": "..."}}`, such as '
            '`{{"gpu": "2xH100", "variant": "BF16"}}`.',
            "gpu": "{why}",
            "variant": "vLLM does not run {found}. It runs: {known}.",
            "small": "{gpu} does not hold the class with {variant}: {why}.",
            "price": "The guide names no price for {gpu}, so it cannot be the cheapest that we know.",
            "dear": "It fits, for {low:.2f} dollars a day and more. Another one with a price holds them too, "
            "and costs less.",
        },
    ),
    "7.2": Texts(
        title="The knee",
        hints=(
            "Go through `sweep.speeds`, the smallest first. `each.first_token(95)` is the wait that 95 of "
            "100 requests do not exceed, in seconds.",
            "The knee is the last one before the promise (1 second) is first broken; 0 if the very first one "
            "breaks it. `len(each.streams) / each.seconds` is what it answers, in requests a second.",
            "Compare that with the 3 requests a second of the class: `enough` is True or False. Both are "
            "right answers, on one machine or another.",
        ),
        correct="Up to {at_once} at once the promise holds, and {rate:.1f} requests a second are answered. "
        "The class asks {need:.0f}: {verdict}.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"sweep": sweep, "at_once": ..., "enough": ...}}`: '
            "a sweep, a number, and True or False.",
            "few": "This sweep has the sizes {sizes}. Measure four sizes or more, up to 64 at once.",
            "knee": "{found} at once is not the knee of this sweep: at {wrong} the first token of 95 in 100 "
            "took {wait:.2f} s.",
            "early": "{found} at once keeps the promise, and so does {more} in this sweep. Go on.",
            "enough": "You say enough={said}. At the knee this server answers {rate:.1f} requests a second, "
            "and the class asks {need:.0f}.",
        },
    ),
    "7.3": Texts(
        title="The one that must not die",
        hints=(
            "`home.read()` is what labkit knows of the deployment: `.pid` is the router's, `.replicas` are "
            "the others. Kill it in the middle of a class, as above.",
            "A short class will do: `probes.crowd(session, learners=10, pace=2, seconds=6, midway=...)`.",
            "`[each.command for each in labkit.doctor().ill]` has the command that mends it. Run it: "
            "`labkit.start()` does the same from Python.",
        ),
        correct="{lost} questions were lost while both replicas lived. They had no door. `labkit up` put it "
        "back in seconds, since no weights had to be loaded. Who wants to survive this too needs two "
        "routers, and a name (DNS) or a balancer before them.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"crowd": crowd, "command": "..."}}`.',
            "unstruck": "Nothing was done in the middle of this class. Pass `midway=` a function that kills "
            "the router.",
            "alive": "No question after the strike was lost, so the router lived on. Which pid did you kill?",
            "command": "{found} is not what the doctor says. Ask it while the router is dead: "
            "`print(*labkit.doctor().ill)`.",
            "down": "The service still does not answer. Run the command, or `labkit.start()`.",
        },
    ),
    "7.4": Texts(
        title="What the class's tokens cost",
        hints=(
            "`crowd.tokens_per_s` is what the class really got, a second. Both cards are paid all day.",
            '`per_million(crowd.tokens_per_s, "2x4090")` gives two prices. The second is the dear end.',
            '`{"crowd": crowd, "dollars": per_million(crowd.tokens_per_s, "2x4090")[1]}`',
        ),
        correct="{dollars:.2f} dollars for a million tokens, if the class asked day and night. It asks for "
        "two hours of twenty-four: twelve times as much. Rent by the hour.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"crowd": crowd, "dollars": ...}}`.',
            "nothing": "This class got no tokens, so they have no price.",
            "one": "{found} dollars is the price with one card. Two are rented.",
            "low": "{found} dollars is the price at 0.5 dollars a card. Wanted is the dear end, 2.",
            "wrong": "At {rate:.0f} tokens a second and 4 dollars a day, {found} is not the price of a "
            "million tokens.",
        },
    ),
    "7.5": Texts(
        title="Your deployment",
        hints=(
            "Everything that is wanted you have measured above: the sweep of the two replicas, the class in "
            "which you killed one, your verdict of 7.2 for *this* deployment, your price of 7.4.",
            "`readiness(session, **mine)` shows the whole list at any time. Each row says what mends it.",
            "`enough` is True only if the knee of *this* sweep answers what *this* class asks: "
            "`crowd.learners / crowd.pace` requests a second.",
        ),
        correct="All {count} rows hold. This deployment answers, sees and calls; asks for its key; lost a "
        "replica and went on; and you know its knee and its price. It may have users.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"sweep": ..., "crowd": ..., "enough": ..., '
            '"dollars": ...}}`, and `"gpu"` if it is not a 4090.',
            "session": 'This check asks the running deployment: `check("7.5", mine, session)`.',
            "rows": "{count} of the rows do not hold. The first: {first}",
        },
    ),
}
ROW = "{what}. {why} Mend it: `{command}`"
VERDICT = {True: "it is enough", False: "it is not enough, and now you know before they do"}
