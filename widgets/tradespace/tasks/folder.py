"""Find the shipped data: the repository's `data/` folder, next to the package source."""

import hashlib
from pathlib import Path

DATA = Path(__file__).parents[3] / "data"
CHECKSUMS = "SHA256SUMS"


def data_folder(name: str) -> Path:
    """Path of `data/<name>` in this repository.

    Raises
    ------
    FileNotFoundError
        If it does not exist: the package was installed without its repository.
    """
    folder = DATA / name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} does not exist. The data come with the repository: clone it and run `pip install -e .` in it."
        )
    return folder


def checkpoint(folder: Path, name: str) -> Path:
    """Path of the file `name` in `folder`, once its content is checked against the folder's `SHA256SUMS`.

    Raises
    ------
    ValueError
        If they do not match, or the file is not listed: it is damaged, or not the published one.
    FileNotFoundError
        If there is no such file.
    """
    wanted = checksums(folder).get(name)
    found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    if found != wanted:
        raise ValueError(
            f"{name}: wanted a file with SHA-256 {wanted or 'listed in ' + CHECKSUMS}, found {found}. "
            f"`git checkout -- data/{folder.name}` restores the published one."
        )
    return folder / name


def checksums(folder: Path) -> dict[str, str]:
    """File name -> SHA-256, read from the `SHA256SUMS` of `folder` (in the format of `sha256sum`)."""
    lines = (folder / CHECKSUMS).read_text().splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def write_checksums(folder: Path) -> None:
    """List every `.safetensors` file of `folder` in its `SHA256SUMS`."""
    files = sorted(folder.glob("*.safetensors"))
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (folder / CHECKSUMS).write_text("".join(lines))
