"""Where the shipped data lies: the repository's `data/`, beside the package's source."""

import hashlib
from pathlib import Path

DATA = Path(__file__).parents[3] / "data"
CHECKSUMS = "SHA256SUMS"


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


def checkpoint(folder: Path, name: str) -> Path:
    """The file `name` of `folder`, if its content is what `SHA256SUMS` there says.

    Raises
    ------
    ValueError
        If it is not, or is not listed: the file is damaged, or not the one that was published.
    FileNotFoundError
        If there is no such file.
    """
    wanted = checksums(folder).get(name)
    found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    if found != wanted:
        raise ValueError(
            f"{name}: wanted a file with SHA-256 {wanted or 'listed in ' + CHECKSUMS}, found {found}. "
            f"`git checkout -- data/{folder.name}` brings the published one back."
        )
    return folder / name


def checksums(folder: Path) -> dict[str, str]:
    """File name -> SHA-256, from the `SHA256SUMS` of `folder` (the format of `sha256sum`)."""
    lines = (folder / CHECKSUMS).read_text().splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def write_checksums(folder: Path) -> None:
    """List every `.safetensors` file of `folder` in its `SHA256SUMS`."""
    files = sorted(folder.glob("*.safetensors"))
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (folder / CHECKSUMS).write_text("".join(lines))
