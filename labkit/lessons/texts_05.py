"""What a learner reads of lesson 05's exercises."""

from __future__ import annotations

from labkit.lessons.exercise import Texts

TEXT = {
    "5.1": Texts(
        title="Close the loop by hand",
        hints=(
            "Four kinds of messages, in this order: your question, the model's answer with its calls, a "
            "result "
            "for each call, the model's last words. The cells above made them for AAPL and MSFT.",
            "After the first answer, append it (`messages.append(answer.message)`), then for each call "
            '`{"role": "tool", "tool_call_id": call.id, "content": ...}` with the result as JSON.',
            "Ask a second time with all of these messages and the same tools, append that answer too, and "
            "hand over the whole list.",
        ),
        correct="{calls} calls, {calls} results under their ids, and an answer that states them. That is the "
        "whole of function calling; the rest is care.",
        not_yet={
            "form": "You handed over {found}. Wanted is the list of all messages, from your question to the "
            "model's last words.",
            "calls": "No message of the list asks for calls to two shares. Ask for the price of two "
            "tickers, and "
            "append the model's answer itself.",
            "copied": "AAPL and MSFT are the ones from above. Take two others of `PRICES`.",
            "results": "The call {id} has no result. Append a message with the role `tool` and "
            "`tool_call_id` set to that id.",
            "words": "The last message holds no words of the model. Ask again once the results are in, and "
            "append that answer.",
            "unused": "The last answer does not state {number}, though a tool gave it. Is the result under "
            "the "
            "id of its own call?",
        },
    ),
    "5.2": Texts(
        title="A tool of your own",
        hints=(
            "A parameter that may only be one of a few words has the type `Literal[...]`; a default makes it "
            "one that can be left out.",
            "Describe each parameter in the docstring, in a line of its own: `name: words`.",
            'Run it: `run = session.run("...", tools=[my_tool])`, in words that name the tool\'s task, and '
            "hand "
            'over `{"tool": my_tool, "run": run}`.',
        ),
        correct="The model called `{call}`, and your function answered. Nobody wrote a schema.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"tool": my_tool, "run": run}}`: a function, and '
            "what `session.run` gave back.",
            "tool": "{why}",
            "choice": "No parameter of {name} is a choice. Give one the type `Literal[...]`, or that of an "
            "enum.",
            "undescribed": "The parameter {parameter} has no description. Add a line to the docstring: "
            "`{parameter}: what it means`.",
            "uncalled": "The run called {found}, and not {name}. Name in your question what the tool does, "
            "nearly in the words of its docstring.",
            "fault": "The call came to nothing: {content}. Does your function take what it says it takes?",
        },
    ),
    "5.3": Texts(
        title="Who may spend money",
        hints=(
            "`approve(call)` gets a call, with `call.name` and `call.arguments`, before it is run. Only a "
            "plain "
            "`True` allows it; a text refuses it and tells the model why.",
            'How many are asked for is `call.arguments["shares"]`. Compare at both ends: there are too '
            "many, and "
            "there are none or fewer.",
            'Return `True` if `0 < call.arguments["shares"] <= 10`, and otherwise a sentence.',
        ),
        correct="Up to 10 shares pass, the rest comes back with your reason: {reason}. The limit stands in "
        "your code, where no prompt can talk it away.",
        not_yet={
            "form": "You handed over {found}. Wanted is the function itself, without brackets: `approve`.",
            "few": "An order of {shares} shares was not allowed (your function gave {found}). Return "
            "`True` for "
            "1 to 10.",
            "many": "An order of {shares} shares was allowed. Refuse whatever is not from 1 to 10.",
            "reason": "An order of {shares} shares is refused with {found}. Return a sentence instead: the "
            "model "
            "reads it, and can tell its user why.",
            "name": "A call of `sell_shares` was allowed. Allow `buy_shares` alone: what you did not think "
            "of "
            "should be refused.",
        },
    ),
    "5.4": Texts(
        title="How many cases are enough",
        hints=(
            "`probes.wilson(right, n)` gives both ends of the interval, from 0 to 1. Try it with ten times "
            "as "
            "many cases, of which the same share is right.",
            "Count up from `measured.n` until the ends are less than 0.04 apart. A loop does it.",
            "For `n` cases take `n * measured.right / measured.n` right ones; they need not be whole.",
        ),
        correct="{cases:,} cases, where {n} gave an interval of {points:.0f} points. A score on forty cases "
        "tells a good model from a bad one, and not a good one from a better one.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"measured": measured, "cases": ...}}`: what '
            "`probes.calling` gave, and a whole number.",
            "few": "With {cases:,} cases the interval is still {points:.1f} points wide. Take more.",
            "more": "With {cases:,} cases it is {points:.1f} points wide, less than need be: fewer do. "
            "Find the "
            "smallest number, give or take one in twenty.",
        },
    ),
}
