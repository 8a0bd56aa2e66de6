"""Write the page: one HTML file that needs no kernel, no server and no network."""

import base64
import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from tradespace.show.common.assets import SHOW, style_of

WIDGETS = ("bar", "controls", "tiles", "tradeoff", "batch_curve", "attainment")
# The browser runs this one script, and fetches nothing, whatever the data say.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-{digest}'; \
style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
<title>tradespace</title>
<style>{style}</style>
<main id="explorer" class="tradespace-explorer widget-box"></main>
<p id="about">This page needs JavaScript.</p>
<script id="data" type="application/json">{data}</script>
<script type="module">{script}</script>
</html>
"""


def page_path(path: str | PathLike[str]) -> Path:
    """Return the file that a page can be written to.

    Raises
    ------
    ValueError
        If its name does not end in .html.
    FileNotFoundError
        If its folder does not exist.

    Examples
    --------
    >>> page_path("explorer")
    Traceback (most recent call last):
    ...
    ValueError: path: wanted a file whose name ends in .html, such as 'explorer.html'; got 'explorer'
    """
    if not isinstance(path, str | PathLike):
        raise ValueError(f"path: wanted the name of a file; got {path!r}")
    file = Path(path)
    if file.suffix.lower() != ".html" or file.is_dir():
        raise ValueError(f"path: wanted a file whose name ends in .html, such as 'explorer.html'; got {str(path)!r}")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"path: wanted a file in a folder that exists; got {str(path)!r}")
    return file


def document(data: Mapping[str, Any]) -> str:
    """Return the page of `data`, which JSON can hold. No text among them can end the script that they are in.

    Examples
    --------
    >>> "</b>" in document({"title": "</b>"})
    False
    """
    script = (SHOW / "bundle" / "page.js").read_text(encoding="utf-8")
    style = "".join(map(style_of, WIDGETS)) + (SHOW / "page" / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return PAGE.format(digest=digest, style=style, data=text, script=script)
