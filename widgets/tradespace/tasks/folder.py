"""Where the shipped data lies: the repository's `data/`, beside the package's source."""

from pathlib import Path

DATA = Path(__file__).parents[3] / "data"


def data_folder(name: str) -> Path:
    """`data/<name>` of this repository.

    Raises
    ------
    FileNotFoundError
        If it is not there: the package was installed without its repository.
    """
    folder = DATA / name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not there. The data come with the repository: clone it and run `pip install -e .` in it."
        )
    return folder
