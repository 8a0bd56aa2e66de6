"""Where a live chart's code and style come from."""

import json
from pathlib import Path

from tradespace.measuring.machine import machine
from tradespace.recording import recording

SHOW = Path(__file__).parents[1]
# Each shows numbers that were measured.
MARKED = ".tradespace:not(.tradespace-controls, .tradespace-predict)::after"
LOOK = "display: block; font-size: 0.8em; color: var(--faint)"


def assets(name: str) -> tuple[str, str]:
    """The bundled JavaScript of the widget in the folder `name`, and its style after what all of them share.

    In recorded mode each says below that it is, whatever it draws.
    """
    style = "".join(path.read_text() for path in (SHOW / "common" / "live.css", SHOW / name / "widget.css"))
    if recording():
        style += f"{MARKED} {{ content: {json.dumps(f'{machine()}; nothing is measured here')}; {LOOK} }}"
    return (SHOW / "bundle" / f"{name}.js").read_text(), style
