import hashlib
import json
import re

import pytest
from tradespace.show.live import assets

LIVE = assets.HERE
SOURCES = sorted(LIVE.glob("*.js"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_bundle_was_built_from_its_source(source):
    first_line = (LIVE / "bundle" / source.name).read_text().split("\n", 1)[0]
    built_from, digest = re.fullmatch(r"// Built by `make js` from (.+); SHA-256 ([0-9a-f]{64})", first_line).groups()
    files = [name for name in built_from.split(", ") if name.endswith(".js")]
    assert source.name in files
    content = b"".join((LIVE / name).read_bytes() for name in files)
    assert digest == hashlib.sha256(content).hexdigest(), "run `make js`"
    locked = json.loads((LIVE.parents[2] / "package-lock.json").read_text())["packages"]
    versions = {f"{path.split('node_modules/')[-1]} {package.get('version')}" for path, package in locked.items()}
    assert set(built_from.split(", ")) - set(files) <= versions, "run `make js`"


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
