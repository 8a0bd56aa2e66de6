"""A card that asks for a guess, and shows it beside the answer once it can no longer be changed."""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from tradespace.show.common.assets import assets
from tradespace.show.common.still import Still
from tradespace.show.common.style import FAINT, INK, round_numbers
from tradespace.text import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GUESS_COLOUR, ANSWER_COLOUR = "#D55E00", "#0072B2"
# In these units, guess and answer are compared by difference, not by ratio: 80 % and 90 % are 10 points apart.
SHARES = ("%", "points", "percentage points")
MARKDOWN = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\*(?P<em>[^*\s](?:[^*]*[^*\s])?)\*")


@dataclass(frozen=True)
class Answer:
    """What was measured: a number with its interval, or one of the options, with the evidence in words."""

    value: float | str
    low: float | None = None
    high: float | None = None
    evidence: str = ""


class PredictCard(Still, anywidget.AnyWidget):
    """A question with one input, two buttons and, in the end, the answer. The owner decides what the buttons do.

    Parameters
    ----------
    question : str
        Plain text. `**strong**`, `*emphasis*`, code in back quotes and blank lines are rendered.
    options : sequence of str
        The choices. If empty, the card asks for a number.
    heard : callable
        Called with what the user did: `{"lock": 4}`, `{"skip": True}` or `{"again": True}`.
    """

    _esm, _css = assets("predict")
    asked: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    state: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, question: str, unit: str, options: Sequence[str], heard: Callable[[dict[str, Any]], None]
    ) -> None:
        super().__init__(asked={"question": paragraphs(question), "unit": unit, "options": list(options)})
        self.on_msg(lambda _, content, __: heard(content))

    def show(
        self, label: str, *, open: bool, guess: float | str | None, answer: Answer | None, again: bool = False
    ) -> None:
        """Show the current state. The browser never receives an answer that is not shown."""
        log = answer is not None and by_factor(guess, answer, self.asked["unit"])
        with self.hold_sync():
            shown = asdict(answer) if answer else None
            self.state = {"open": open, "guess": guess, "answer": shown, "log": log, "again": again}
            self.label = label

    def _still(self) -> "Figure":
        return draw_card(self.asked, self.state, self.label)


def paragraphs(markdown: str) -> list[list[list[str]]]:
    """Split a text into paragraphs, each a list of (kind, text). There is no HTML, so nothing needs escaping.

    Examples
    --------
    >>> paragraphs("Is `int8` *much* faster?")
    [[['', 'Is '], ['code', 'int8'], ['', ' '], ['em', 'much'], ['', ' faster?']]]
    """
    return [_spans(" ".join(part.split())) for part in re.split(r"\n\s*\n", markdown) if part.strip()]


def _spans(text: str) -> list[list[str]]:
    spans, end = [], 0
    for found in MARKDOWN.finditer(text):
        kind = str(found.lastgroup)
        spans += [["", text[end : found.start()]], [kind, found[kind]]]
        end = found.end()
    return [span for span in [*spans, ["", text[end:]]] if span[1]]


def by_factor(guess: float | str | None, answer: Answer, unit: str) -> bool:
    """Return whether guess and answer are best compared by their ratio, on a logarithmic axis."""
    numbers = [number for number in (guess, answer.value, answer.low) if number is not None]
    return unit not in SHARES and all(isinstance(number, float | int) and number > 0 for number in numbers)


def in_words(guess: float | str | None, answer: Answer, unit: str) -> str:
    """Return guess and answer as a sentence. A guess of None means that the question was skipped.

    Examples
    --------
    >>> in_words(4.0, Answer(1.8, 1.7, 1.9), "times")
    'You said 4 times; measured 1.8 (1.7 to 1.9): off by a factor of 2.2.'
    >>> in_words("fp32", Answer("int8", evidence="int8 took 1.1 ms, fp32 3.2 ms."), "")
    'You said fp32; measured int8: not right. int8 took 1.1 ms, fp32 3.2 ms.'
    """
    measured = written(answer.value, unit if guess is None else "")
    if answer.low is not None and answer.high is not None:
        measured += f" ({written(answer.low)} to {written(answer.high)})"
    said = "Skipped, without a guess" if guess is None else f"You said {written(guess, unit, digits=10)}"
    verdict = "" if guess is None else f": {_distance(guess, answer, unit)}"
    return f"{said}; measured {measured}{verdict}. {answer.evidence}".strip()


def written(value: float | str, unit: str = "", digits: int = 3) -> str:
    """Format a number to `digits` significant digits; return an option as it is.

    Examples
    --------
    >>> written(12345.6, "items/s"), written(0.98765), written("int8")
    ('12,300 items/s', '0.988', 'int8')
    """
    text = value if isinstance(value, str) else figures(value, digits)
    return f"{text} {unit}".strip()


def _distance(guess: float | str, answer: Answer, unit: str) -> str:
    value = answer.value
    if isinstance(guess, str) or isinstance(value, str):
        return "right" if guess == value else "not right"
    if guess == value:
        return "the same"
    if answer.low is not None and answer.high is not None and answer.low <= guess <= answer.high:
        return "within the interval"
    if not by_factor(guess, answer, unit):
        return f"off by {written(abs(guess - value), 'points' if unit in SHARES else unit)}"
    factor = max(guess / value, value / guess)
    if factor < 1.005:
        return "off by less than 0.5 %"
    return f"off by a factor of {written(factor, digits=2 if factor > 2 else 3)}"


def draw_card(asked: dict[str, Any], state: dict[str, Any], label: str) -> "Figure":
    """Draw the card, without pyplot: a card is drawn whenever it is shown, so this has to be fast."""
    from matplotlib.figure import Figure

    guess, answer = state["guess"], state["answer"]
    drawn = answer is not None and not asked["options"]
    question = "\n".join("".join(text for _, text in spans) for spans in asked["question"])
    rows = [*_wrapped(question), *(f"○  {option}" for option in asked["options"]), "", *_wrapped(label)]
    text_height, axis_height = 0.26 * (len(rows) + 1), 1.5 * drawn
    height = text_height + axis_height
    figure = Figure(figsize=(8.5, height))
    figure.text(
        0.03, 1 - 0.13 / height, "\n".join(rows), va="top", size=12, color=INK, linespacing=1.4, parse_math=False
    )
    if drawn:
        axes = figure.add_axes((0.06, 0.62 / height, 0.88, 0.8 / height))
        _draw_axis(axes, guess, answer, asked["unit"], state["log"])
    return figure


def _wrapped(text: str) -> list[str]:
    return [line for part in text.split("\n") for line in textwrap.wrap(part, 92)]


def _draw_axis(axes: Any, guess: float | None, answer: dict[str, Any], unit: str, log: bool) -> None:
    value, low, high = answer["value"], answer["low"], answer["high"]
    if low is not None:
        axes.plot([low, high], [0, 0], color=ANSWER_COLOUR, lw=3, marker="|", ms=12, mew=2)
    axes.plot(value, 0, "o", color=ANSWER_COLOUR, ms=10)
    axes.annotate("measured", (value, 0), (0, -18), textcoords="offset points", ha="center", color=INK)
    if guess is not None:
        axes.plot(guess, 1, "D", mfc="white", mec=GUESS_COLOUR, mew=2.5, ms=9)
        axes.annotate("your guess", (guess, 1), (0, 9), textcoords="offset points", ha="center", color=INK)
    numbers = [number for number in (guess, value, low, high) if number is not None]
    least, most = min(numbers), max(numbers)
    if log:
        axes.set(xscale="log", xlim=(least / 1.3, most * 1.3))
        axes.set_xticks(round_numbers(least / 1.3, most * 1.3), minor=False)
        axes.set_xticks([], minor=True)
    else:
        room = 0.15 * (most - least) or 0.15 * abs(value) or 1
        axes.set_xlim(least - room, most + room)
    axes.xaxis.set_major_formatter(lambda number, _: written(number))
    axes.set(ylim=(-1.6, 2.2), yticks=[], xlabel=f"{unit or 'answer'}{', logarithmic axis' * log}")
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.tick_params(colors=FAINT)
