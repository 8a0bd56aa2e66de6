"""Load the code and style of a live chart."""

import json
from pathlib import Path

from tradespace.measuring.machine import machine
from tradespace.recording import recording

SHOW = Path(__file__).parents[1]
# The widgets that show measured numbers.
MARKED = ".tradespace:not(.tradespace-controls, .tradespace-predict)::after"
LOOK = "display: block; font-size: 0.8em; color: var(--faint)"


def assets(name: str, *kind: str) -> tuple[str, str]:
    """Return the bundled JavaScript of the widget in folder `name`, and the shared style followed by its own.

    Widgets of a `kind`, such as `lens`, share a style besides that of all. In recorded mode, a line below each widget
    with measured numbers says so.
    """
    shared = [SHOW / "common" / f"{sheet}.css" for sheet in ("live", *kind)]
    style = "".join(path.read_text() for path in [*shared, SHOW / name / "widget.css"])
    if recording():
        style += f"{MARKED} {{ content: {json.dumps(f'{machine()}; nothing is measured here')}; {LOOK} }}"
    return (SHOW / "bundle" / f"{name}.js").read_text(), style
