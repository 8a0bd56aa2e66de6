from tradespace.measuring.machine import machine


def test_the_machine_is_one_line_that_names_no_host_and_no_user():
    import getpass
    import socket

    line = machine()
    assert "\n" not in line
    assert "torch" in line
    assert socket.gethostname() not in line
    assert getpass.getuser() not in line.split()
