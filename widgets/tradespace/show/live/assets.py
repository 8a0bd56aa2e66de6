"""Where a live chart's code and style come from."""

import json
from pathlib import Path

from tradespace.measuring.machine import machine
from tradespace.recording import recording

HERE = Path(__file__).parent
# Each shows numbers that were measured.
MARKED = ".tradespace:not(.tradespace-controls, .tradespace-predict)::after"
LOOK = "display: block; font-size: 0.8em; color: var(--faint)"


def assets(name: str) -> tuple[str, str]:
    """The bundled JavaScript of `name`.js, and what all live charts share of style before that of `name`.css.

    In recorded mode each says below that it is, whatever it draws.
    """
    style = [HERE / "shared" / "live.css", HERE / f"{name}.css"]
    mark = (
        f"{MARKED} {{ content: {json.dumps(f'{machine()}; nothing is measured here')}; {LOOK} }}" if recording() else ""
    )
    return (HERE / "bundle" / f"{name}.js").read_text(), "".join(path.read_text() for path in style) + mark
