"""What exporters and compilers print: caught, kept, and the streams as they were afterwards."""

import logging
import os
import subprocess
import sys
import warnings

import pytest
from tradespace.prepare.quiet import Log, quiet


def printed() -> None:
    print("heard")


def printed_to_stderr() -> None:
    print("heard", file=sys.stderr)


def written() -> None:
    os.write(1, b"heard\n")


def written_to_stderr() -> None:
    os.write(2, b"heard\n")


def said_by_a_child() -> None:
    subprocess.run([sys.executable, "-S", "-c", "print('heard')"], check=True)


def logger() -> logging.Logger:
    """One that no one listens to, as in the measuring process: Python then writes its records to stderr."""
    return logging.Logger("exporter")


@pytest.mark.parametrize("speak", [printed, printed_to_stderr, written, written_to_stderr, said_by_a_child])
def test_whatever_says_it_it_is_kept_and_not_shown(capfd, speak):
    with quiet() as log:
        speak()
    assert "heard" in log.text
    assert "".join(capfd.readouterr()) == ""


def test_a_warning_is_kept_and_reaches_no_one_else():
    # As in a test, where someone else records warnings already.
    with warnings.catch_warnings(record=True) as caught:
        with quiet() as log:
            warnings.warn("heard", stacklevel=1)
        assert caught == []
    assert "heard" in log.text


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_a_log_record_is_kept_and_not_shown(capfd, level):
    with quiet() as log:
        logger().log(level, "heard")
    assert "heard" in log.text
    assert "".join(capfd.readouterr()) == ""


def test_logging_that_was_switched_off_stays_off(capfd):
    logging.disable(logging.CRITICAL)
    try:
        with quiet() as log:
            logger().error("unheard")
    finally:
        logging.disable(logging.NOTSET)
    assert (log.text, *capfd.readouterr()) == ("", "", "")


BUFFERED = """
import ctypes, sys
from tradespace.prepare.quiet import quiet

print("before")
with quiet() as log:
    ctypes.CDLL(None).printf(b"by C\\n")
    print("by Python, past the redirection", file=sys.__stdout__)
print("after", "by C" in log.text, "by Python" in log.text)
"""


@pytest.mark.skipif(os.name == "nt", reason="ctypes names the C library otherwise")
def test_what_a_library_still_has_in_its_buffer_does_not_come_out_later():
    # Where output goes to a file, as in the measuring process of a notebook, C and Python buffer whole blocks.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ran = subprocess.run([sys.executable, "-c", BUFFERED], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "before\nafter True True\n"


def test_afterwards_everything_speaks_again(capfd):
    level, streams = logging.root.manager.disable, (sys.stdout, sys.stderr)
    with quiet():
        print("unheard")
    assert (logging.root.manager.disable, (sys.stdout, sys.stderr)) == (level, streams)
    print("one")
    os.write(1, b"two\n")
    os.write(2, b"three\n")
    assert capfd.readouterr() == ("one\ntwo\n", "three\n")
    with pytest.warns(UserWarning, match="four"):
        warnings.warn("four", stacklevel=1)


def test_an_exception_passes_through_and_what_was_said_before_it_is_kept(capfd):
    def fail() -> None:
        os.write(1, b"step 1 of 2\n")
        print("step 2 of 2")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), quiet() as log:
        fail()
    assert "step 1 of 2" in log.text
    assert "step 2 of 2" in log.text
    print("after")
    assert capfd.readouterr().out == "after\n"


def test_quiet_within_quiet_keeps_what_is_its_own(capfd):
    with quiet() as outer:
        print("outer, before")
        with quiet() as inner:
            print("inner")
            os.write(1, b"inner, lower\n")
        os.write(1, b"outer, after\n")
    assert "inner" not in outer.text
    assert "outer" not in inner.text
    assert "inner, lower" in inner.text
    assert "outer, before" in outer.text
    assert "outer, after" in outer.text
    assert capfd.readouterr().out == ""


def test_bytes_that_are_no_text_do_no_harm():
    with quiet() as log:
        os.write(1, b"\xff\xfe heard\n")
    assert "heard" in log.text


@pytest.mark.skipif(os.name == "nt", reason="counts file descriptors as POSIX numbers them: the lowest that is free")
def test_no_file_descriptor_is_left_open():
    def lowest_free() -> int:
        descriptor = os.dup(0)
        os.close(descriptor)
        return descriptor

    before = lowest_free()
    with quiet():
        print("x")
    assert lowest_free() == before


@pytest.mark.parametrize(
    ("text", "tail"), [("", ""), ("one\n", "one"), ("one\ntwo\nthree\nfour\n\n", "two | three | four")]
)
def test_the_tail_is_the_last_three_lines_in_one(text, tail):
    log = Log()
    log.text = text
    assert log.tail() == tail
