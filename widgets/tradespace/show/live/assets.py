"""Where a live chart's code and style come from."""

from pathlib import Path

HERE = Path(__file__).parent


def assets(name: str) -> tuple[str, str]:
    """The bundled JavaScript of `name`.js, and what all live charts share of style before that of `name`.css."""
    style = [HERE / "shared" / "live.css", HERE / f"{name}.css"]
    return (HERE / "bundle" / f"{name}.js").read_text(), "".join(path.read_text() for path in style)
