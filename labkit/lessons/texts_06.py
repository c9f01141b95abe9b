"""What a learner reads of lesson 06's exercises."""

from __future__ import annotations

from labkit.lessons.exercise import Texts

TEXT = {
    "6.1": Texts(
        title="The first error",
        hints=(
            "`log.splitlines()` has the lines. Those that matter hold the word `Error`.",
            "There are several. The last ones only say that something failed above: `See root cause above`. "
            "Go up to the first one that gives a reason.",
            '`[line for line in log.splitlines() if "ValueError:" in line][0]`',
        ),
        correct="That line names it: {title}. All that came after it in the log is a consequence.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"log": log, "line": line}}`, both of them text.',
            "many": "That is {lines} lines. Hand over the one that names the cause.",
            "elsewhere": "{line} is no line of this log. Copy a whole one.",
            "nothing": "{line} names no cause. Look for the word `Error`.",
            "envelope": "{line} only reports that something failed before it. Read on upwards.",
        },
    ),
    "6.2": Texts(
        title="Three drills by yourself",
        hints=(
            'Look at each: `with labkit.drill("base-url") as drill: print(drill.look(), drill.choices)`.',
            "Is there an answer at all? From whom? A refused connection has no sender, a web page has the "
            "wrong one, and a short 404 comes from the right server at the wrong path.",
            "If you are stuck at one, `drill.diagnosis()` names its cause.",
        ),
        correct="All three, each told from the others by one line: nobody answers, a stranger answers, and "
        "the right one answers at the wrong path.",
        not_yet={
            "form": "You handed over {found}. Wanted is a dict of three drills and the cause of each: "
            '`{{"base-url": "...", "nobody-there": "...", "other-service": "..."}}`.',
            "choice": "{found} is none of the choices of {drill}. They are: {choices}.",
            "wrong": "{drill}: not {found}, which would mean: {why}",
        },
    ),
    "6.3": Texts(
        title="Mend a conversation",
        hints=(
            "The server names one fault at a time. Mend that one, send it again, read the next.",
            "An id of this model has nine letters or digits, and a result carries the id of its call.",
            "The model answers a user or a tool, never itself: which message has to go from the end?",
        ),
        correct="The server takes it. Two faults, two changes, and nothing else touched.",
        not_yet={
            "form": "You handed over {found}. Wanted is the mended list of messages.",
            "lost": "{content} is gone. Change only what is refused: keep the questions, the call and its "
            "result.",
            "id": "The call has the id {id}: nine letters or digits are wanted.",
            "unmatched": "The result has the id {id}, and its call has another.",
            "last": "The last message is the assistant's. The model has nothing to answer.",
            "refused": "The server still refuses it: {why}",
        },
    ),
    "6.4": Texts(
        title="Halve it",
        hints=(
            "Ask with the first eight turns. If they work, the bad one is among the other eight.",
            "Keep two numbers, `low` and `high`: the bad turn is not before `low`, and before `high`. Each "
            "request halves the distance.",
            "`while high - low > 1:` ask for `range(low, middle)`; where it works, `low = middle`, else "
            "`high = middle`.",
        ),
        correct="Turn {bad} of sixteen, found in {tries} requests. A thousand turns would have taken ten.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"pile": pile, "bad": ...}}`: the pile, and the '
            "number of its bad turn.",
            "guessed": "You have asked nothing yet. Guessing is right one time in sixteen: halve it.",
            "wrong": "It is not turn {bad}. Ask with that one alone: `pile.works([{bad}])`.",
            "many": "{bad} is right, and it took {tries} requests. Halving takes four. Make a new pile, "
            "and try again.",
        },
    ),
}
