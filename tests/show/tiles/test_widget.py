import json

from tradespace.show.tiles.widget import Tile, Tiles

HOSTILE = "<img src=x onerror=alert(1)>"


def test_tiles_and_a_sentence_are_sent_as_text():
    tiles = Tiles()
    tiles.show([Tile("latency", "1.2", "ms", "1.1 to 1.3", "measured"), Tile(HOSTILE, HOSTILE)], HOSTILE)
    first, second = json.loads(json.dumps(tiles.tiles, allow_nan=False))
    assert first == {
        "label": "latency", "value": "1.2", "unit": "ms", "interval": "1.1 to 1.3", "origin": "measured", "about": "",
    }  # fmt: skip
    assert second == {"label": HOSTILE, "value": HOSTILE, "unit": "", "interval": "", "origin": "", "about": ""}
    assert tiles.sentence == HOSTILE


def test_they_change_together():
    tiles, sent = Tiles(), []
    tiles.send_state = lambda key=None: sent.append(set(key))
    tiles.show([Tile("latency", "1")], "One.", "small: measured", {"noisy": "single calls differ"})
    assert sent == [{"tiles", "here", "flags", "sentence"}]


def test_nothing_is_nothing():
    tiles = Tiles()
    tiles.show([], "")
    assert (tiles.tiles, tiles.sentence) == ([], "")
