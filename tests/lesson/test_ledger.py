import json
import random
import sqlite3
import subprocess
import sys
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tradespace.lesson.ledger import KINDS, Ledger

VALUES = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), max_size=3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def test_nothing_is_written_before_there_is_something_to_keep(path):
    ledger = Ledger(path)
    assert ledger.entries() == []
    assert ledger.find("guess", "a") is None
    assert not path.exists()


def test_of_guesses_the_first_stays_and_of_measurements_the_last(path):
    ledger = Ledger(path)
    for value in (1, 2):
        ledger.keep_first("guess", "a", {"value": value})
        ledger.keep_last("measured", "a", {"value": value})
    assert ledger.find("guess", "a").value == {"value": 1}
    assert ledger.find("measured", "a").value == {"value": 2}
    assert [(entry.kind, entry.value["value"]) for entry in Ledger(path).entries()] == [("guess", 1), ("measured", 2)]


@settings(max_examples=25)
@given(key=st.text(), value=VALUES)
def test_what_is_kept_is_read_back_as_it_was(tmp_path_factory, key, value):
    path = tmp_path_factory.mktemp("ledger") / "x.sqlite"
    try:
        json.dumps(value).encode()
        key.encode()
    except UnicodeEncodeError:
        return  # a lone half of a character, which no file holds
    entry = Ledger(path).keep_last("answer", key, value)
    assert (entry.kind, entry.key, entry.value) == ("answer", key, value)
    assert Ledger(path).find("answer", key) == entry


def test_what_json_has_no_word_for_is_refused_and_leaves_the_file_sound(path):
    ledger = Ledger(path)
    with pytest.raises(ValueError, match="JSON"):
        ledger.keep_first("guess", "a", {"value": float("nan")})
    assert ledger.entries() == []


@pytest.mark.parametrize("call", ["keep_first", "keep_last", "find"])
def test_another_kind_is_refused_by_name(path, call):
    Ledger(path).keep_first("guess", "a", {})
    with pytest.raises(ValueError, match=r"kind: wanted one of .* Did you mean 'guess'"):
        getattr(Ledger(path), call)("gues", "a", *([{}] if call != "find" else []))


def test_it_lies_in_the_current_folder_or_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.delenv("TRADESPACE_LEDGER", raising=False)
    monkeypatch.chdir(tmp_path)
    ledger = Ledger()
    monkeypatch.chdir(tmp_path.parent)
    assert ledger.path == tmp_path / ".tradespace-ledger.sqlite"
    monkeypatch.setenv("TRADESPACE_LEDGER", str(tmp_path / "mine"))
    assert Ledger().path == tmp_path / "mine"


def test_two_kernels_at_once_agree_on_the_first_guess(path):
    program = (
        "import sys; from tradespace.lesson.ledger import Ledger; ledger = Ledger(sys.argv[1]);"
        "print([ledger.keep_first('guess', str(i), {'by': sys.argv[2]}).value['by'] for i in range(12)])"
    )
    kernels = [
        subprocess.Popen([sys.executable, "-c", program, path, name], stdout=subprocess.PIPE, text=True)
        for name in ("one", "other")
    ]
    said = [kernel.communicate()[0] for kernel in kernels]
    assert said[0] == said[1] != ""
    assert len(Ledger(path).entries()) == 12


def test_threads_of_one_kernel_lose_nothing(path):
    ledger = Ledger(path)
    threads = [threading.Thread(target=ledger.keep_last, args=("answer", str(i), {})) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.entries()) == 8


def test_a_damaged_file_is_moved_aside_and_told(path):
    path.write_bytes(b"this is no database, and long enough to be taken for one" * 40)
    with pytest.warns(UserWarning, match="is damaged.*moved to"):
        ledger = Ledger(path)
    ledger.keep_first("guess", "a", {})
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes().startswith(b"this is no database")
    assert len(Ledger(path).entries()) == 1


def test_a_value_that_is_no_json_any_more_is_damage(path):
    Ledger(path).keep_first("guess", "a", {"value": "something long to be found"})
    path.write_bytes(path.read_bytes().replace(b'{"value"', b'{"value '))
    with pytest.warns(UserWarning, match="is damaged"):
        assert Ledger(path).entries() == []


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a ledger of several pages."""
    path = tmp_path_factory.mktemp("ledger") / "sound.sqlite"
    for i in range(12):
        Ledger(path).keep_first(KINDS[i % 3], str(i), {"value": "x" * 900})
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_bytes_are_lost_a_ledger_opens_and_keeps(path, seed, sound):
    content, rng = bytearray(sound), random.Random(seed)
    start = rng.randrange(len(content))
    content[start : start + 300] = rng.randbytes(min(300, len(content) - start))
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Ledger(path).keep_last("guess", "new", {"value": 1})
    assert Ledger(path).find("guess", "new").value == {"value": 1}


def test_a_file_that_others_have_locked_is_not_taken_for_damaged(path, monkeypatch):
    Ledger(path).keep_first("guess", "a", {})
    monkeypatch.setattr("tradespace.lesson.ledger.WAIT_FOR_OTHERS_S", 0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Ledger(path)
    other.close()
    assert len(Ledger(path).entries()) == 1
