"""The files of weights of other implementations: their format, and all files that belong together.

No framework is imported before the tensors are read, so that a wrong path is an error at once.
"""

import glob
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jnet.conversion.torch_files import LEGACY_BEGIN, read_state_dict
from jnet.errors import WeightsError

DATA_PATTERN = re.compile(r"\.data-(\d{5})-of-(\d{5})$")


@dataclass(frozen=True)
class Source:
    """Weights of another implementation.

    Attributes
    ----------
    path : Path
        The file, or the prefix of the files of a TensorFlow checkpoint; for error messages.
    files : tuple of Path
        All files.
    """

    path: Path
    files: tuple[Path, ...]

    @property
    def format(self) -> str:
        """The format, for the manifest."""
        return "TensorFlow 1 checkpoint" if self.is_bundle else "PyTorch state dict"

    @property
    def is_bundle(self) -> bool:
        """Whether the weights are a TensorFlow checkpoint, which has several files."""
        return len(self.files) > 1

    def read(self) -> Mapping[str, np.ndarray]:
        """Return the tensors by name; raise `WeightsError` if a file is damaged."""
        if not self.is_bundle:
            return read_state_dict(self.path)
        from jnet.conversion.bundles import Bundle  # imports TensorFlow

        return Bundle(self.path, sum(file.stat().st_size for file in self.files))


def find_source(path: Path) -> Source:
    """Find the weights that a path names.

    Parameters
    ----------
    path : Path
        A file of PyTorch, or a TensorFlow checkpoint: its prefix, its index or one of its data
        files.

    Returns
    -------
    Source

    Raises
    ------
    WeightsError
        If a file is missing or has another format.
    """
    prefix = Path(DATA_PATTERN.sub("", str(path).removesuffix(".index")))
    parts = [
        match
        for file in prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*")
        if (match := DATA_PATTERN.fullmatch(file.name.removeprefix(prefix.name)))
    ]
    index = Path(f"{prefix}.index")
    if path != prefix or index.is_file() or (parts and not path.is_file()):
        count = max((int(match[2]) for match in parts), default=1)
        data = [Path(f"{prefix}.data-{n:05}-of-{count:05}") for n in range(count)]
        for file in (index, *data):
            if not file.is_file():
                raise WeightsError(
                    f"{file}: is missing: put it beside the other files of the checkpoint"
                )
        return Source(prefix, (index, *data))
    if path.is_dir():
        raise WeightsError(f"{path}: is a folder: give the file or the prefix of the checkpoint")
    if not path.is_file():
        raise WeightsError(f"{path}: does not exist: correct the input_path")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as opened:
            begin = opened.read(len(LEGACY_BEGIN))
        if begin[:2] == b"PK":
            raise WeightsError(f"{path}: is an archive that is cut off: replace it")
        if begin != LEGACY_BEGIN:
            raise WeightsError(
                f"{path}: is neither a file of PyTorch's torch.save nor of a TensorFlow "
                f"checkpoint: give another input_path"
            )
    return Source(path, (path,))
