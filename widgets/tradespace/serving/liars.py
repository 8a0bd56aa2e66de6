"""stub"""


def liars() -> None: ...
