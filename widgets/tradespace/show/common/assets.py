"""Load the code and style of a live chart."""

import json
from pathlib import Path

from tradespace.measuring.machine import machine
from tradespace.recording import recording

SHOW = Path(__file__).parents[1]
# The widgets that show measured numbers.
MARKED = ".tradespace:not(.tradespace-controls, .tradespace-predict)::after"
LOOK = "display: block; font-size: 0.8em; color: var(--faint)"


def style_of(name: str, *kind: str) -> str:
    """Return the style that all widgets share, followed by that of the widget in folder `name`.

    Widgets of a `kind`, such as `lens`, share a style besides that of all.
    """
    shared = [SHOW / "common" / f"{sheet}.css" for sheet in ("live", *kind)]
    own = SHOW / name / "widget.css"
    return "".join(path.read_text() for path in [*shared, *([own] if own.exists() else [])])


def assets(name: str, *kind: str) -> tuple[str, str]:
    """Return the bundled JavaScript of the widget in folder `name`, and its style, as `style_of` does.

    In recorded mode, a line below each widget with measured numbers says so.
    """
    style = style_of(name, *kind)
    if recording():
        style += f"{MARKED} {{ content: {json.dumps(f'{machine()}; nothing is measured here')}; {LOOK} }}"
    return (SHOW / "bundle" / f"{name}.js").read_text(), style
