import hashlib
import re

import pytest
from tradespace.show.live import assets

LIVE = assets.HERE
SHARED = sorted((LIVE / "shared").glob("*.js"))
SOURCES = sorted(LIVE.glob("*.js"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_bundle_was_built_from_its_source(source):
    lock = LIVE.parents[2] / "package-lock.json"
    content = b"".join(path.read_bytes() for path in (source, *SHARED, lock))
    first_line = (LIVE / "bundle" / source.name).read_text().split("\n", 1)[0]
    assert re.search(r"[0-9a-f]{64}", first_line)[0] == hashlib.sha256(content).hexdigest(), "run `make js`"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_bundle_fetches_nothing(source):
    bundle = (LIVE / "bundle" / source.name).read_text()
    assert not re.search(r"\bfetch\(|XMLHttpRequest|import\(|from\s*[\"']http", bundle)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_each_has_a_class_and_a_style(source):
    script, style = assets.assets(source.stem)
    assert "export" in script
    assert source.with_suffix(".py").exists()
    assert f".tradespace-{source.stem.replace('_', '-')}" in style
