"""Score: what judges the outputs of a model, one number per item."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tradespace.scale import ACCURACY, Scale

# A score of two items at once may differ from those of each alone by rounding.
RELATIVE, ABSOLUTE = 1e-4, 1e-9
# Number of targets among which two different ones are looked for.
LOOKED_AT = 1000


def anything(outputs: Any, targets: Any) -> None:
    """Accept any outputs and targets."""


@dataclass(frozen=True)
class Score:
    """What judges the outputs of a model: one number per item; higher is better. Their mean is the model's score.

    `ts.scores` has the usual ones. For a unit of your own, `dataclasses.replace(ts.scores.squared_error, unit="m²")`.

    Parameters
    ----------
    of : callable
        (outputs, targets) -> one bool or one number per item. Bools are right answers; their mean is a proportion.
    name : str
        What charts and sentences call it. An `accuracy` is from 0 to 1, and written in per cent.
    unit : str
        Unit of the numbers; empty if they have none.
    fits : callable
        (outputs, targets) -> None; raises a ValueError if these outputs cannot be judged by these targets.

    Raises
    ------
    ValueError
        If an argument has the wrong type, or a name or unit contains a comma or a line break, which separate columns.

    Examples
    --------
    >>> within = Score(lambda outputs, targets: -(outputs - targets).abs().amax(1), "negative largest error", "mm")
    >>> within(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 2.5], [3.0, 4.0]]))
    array([-0.5,  0. ])
    >>> within.label
    'negative largest error, mm'
    """

    of: Callable[[Any, Any], Any]
    name: str = ACCURACY
    unit: str = ""
    fits: Callable[[Any, Any], None] = anything

    def __post_init__(self) -> None:
        for argument in ("of", "fits"):
            if not callable(getattr(self, argument)):
                raise ValueError(
                    f"{argument}: wanted a callable of (outputs, targets); got {getattr(self, argument)!r}"
                )
        for argument, text in (("name", self.name), ("unit", self.unit)):
            if not isinstance(text, str) or any(mark in text for mark in ",\n\r") or text != text.strip():
                raise ValueError(f"{argument}: wanted text without commas, line breaks or outer spaces; got {text!r}")
        if not self.name:
            raise ValueError("name: wanted what charts shall call the score; got ''")
        if self.unit and self.name == ACCURACY:
            raise ValueError(f"unit: wanted none, since an {ACCURACY} is written in per cent; got {self.unit!r}")

    @property
    def label(self) -> str:
        """Its name and unit, as in the column `score` of a surface."""
        return str(self.scale)

    @property
    def scale(self) -> Scale:
        """How its values are written."""
        return Scale(self.name, self.unit)

    def __call__(self, outputs: Any, targets: Any) -> np.ndarray:
        """Score items.

        Returns
        -------
        ndarray of bool, or of float64

        Raises
        ------
        ValueError
            If these outputs and targets do not fit, or the score is not one finite number per item.
        """
        self.fits(outputs, targets)
        try:
            found = torch.as_tensor(self.of(outputs, targets)).detach().cpu()
        except Exception as error:
            raise ValueError(
                f"score: {self.name} cannot be computed from outputs {_shape(outputs)} and targets {_shape(targets)}: "
                f"{error}"
            ) from error
        wanted = f"score: wanted {self.name} to be one bool or number per item"
        if found.shape != (len(targets),) or found.is_complex():
            raise ValueError(
                f"{wanted}; of {len(targets)} items (outputs {_shape(outputs)}, targets {_shape(targets)}) it is "
                f"{_shape(found)}"
            )
        if found.dtype == torch.bool:
            return np.asarray(found.numpy())
        scores = np.asarray(found.double().numpy()) + 0.0  # 0 rather than -0
        if not np.isfinite(scores).all():
            raise ValueError(f"{wanted}; got {scores[~np.isfinite(scores)][0]}")
        if self.name == ACCURACY and not ((scores >= 0) & (scores <= 1)).all():
            beyond = scores[(scores < 0) | (scores > 1)][0]
            raise ValueError(
                f"score: wanted an accuracy from 0 to 1; got {beyond:g}. Call what is none by its name: "
                "ts.Score(..., name='negative squared error')"
            )
        return scores


def chosen_score(
    score: "Score | Callable[[Any, Any], Any] | None", correct: Callable[[Any, Any], Any] | None, default: Score
) -> Score:
    """The Score that the arguments `score` and `correct` of `Task.from_model` ask for.

    Raises
    ------
    ValueError
        If both are given, or one is neither a Score nor a callable.

    Examples
    --------
    >>> def closeness(outputs, targets): ...
    >>> chosen_score(closeness, None, default=Score(closeness)).name
    'closeness'
    """
    if score is not None and correct is not None:
        raise ValueError("score: wanted no `score` with `correct`, which is a score too; got both. Leave one out")
    if correct is not None:
        if isinstance(correct, Score) or not callable(correct):
            raise ValueError(f"correct: wanted a callable that gives one bool per item; got {correct!r}. Pass score=")
        return Score(correct)
    if score is None:
        return default
    if isinstance(score, Score):
        return score
    if not callable(score):
        raise ValueError(
            f"score: wanted a Score, such as ts.scores.top_k(5), or a callable of (outputs, targets); got {score!r}"
        )
    called = getattr(score, "__name__", "score")
    return Score(score, "score" if called == "<lambda>" else called)


def check_score(score: Score, outputs: Any, targets: Any, *, bools: bool = False) -> None:
    """Refuse, before any work, a score that cannot judge what a model gives.

    Items are scored alone and together: targets that broadcast against every output give a wrong score, not an error.

    Parameters
    ----------
    score : Score
    outputs : Tensor
        Of at least one item.
    targets : Tensor
        All of the test set.
    bools : bool
        Whether it must give bools.

    Raises
    ------
    ValueError
        If it does not fit the outputs or any target, gives no finite number per item, or gives an item another number
        beside other items.

    Examples
    --------
    >>> close = Score(lambda outputs, targets: -(outputs - targets).square().mean(1), "negative squared error")
    >>> check_score(close, torch.zeros(1, 1), torch.arange(3.0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: score: wanted the score of an item not to depend on other items; two have [0.0, -1.0] alone, and ...
    """
    one, two = outputs[:1], [0, _another(targets)]
    score.fits(one, targets)
    first = score(one, targets[:1])
    if bools and first.dtype != bool:
        raise ValueError(
            f"correct: wanted one bool per item; got {first[0]:g}. For a score that is a number, pass score="
        )
    try:
        alone = np.concatenate([first, score(one, targets[two[1:]])])
    except ValueError:
        return  # items of several lengths: the output of one does not fit the target of the other
    both = torch.cat([one, one])
    together = score(both, targets[two])
    if not np.allclose(alone, together, rtol=RELATIVE, atol=ABSOLUTE):
        raise ValueError(
            f"score: wanted the score of an item not to depend on other items; two have {alone.tolist()} alone, and "
            f"{together.tolist()} together. Do targets {_shape(targets[two])} broadcast against outputs {_shape(both)}?"
        )


def _another(targets: Tensor) -> int:
    """Number of a target that differs from the first one, if there is one; else of the last."""
    some = targets[:LOOKED_AT]
    differs = (some != some[:1]).reshape(len(some), -1).any(1)
    return int(differs.int().argmax()) if differs.any() else len(some) - 1


def _shape(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"of type {type(value).__name__}" if shape is None else f"of shape {tuple(shape)}"
