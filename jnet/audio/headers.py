"""Detection of truncated and of joined audio files from the length that their headers state.

libsndfile reads the available part of a truncated file without an error, and the first of several
files that were joined to one. The end of the audio that the header states is therefore compared
with the size of the file. Headers written to a pipe, before the length was known, state no length.
"""

import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jnet.errors import DataError

# Sizes that programs write to a pipe, before they know the length.
UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 2**64 - 1}
OGG_FIRST_PAGE_FLAG, OGG_LAST_PAGE_FLAG = 2, 4  # flags of a stream's first and last page
OGG_HEADER_BYTES = 27  # followed by a table of sizes, with up to 255 bytes
FLAC_START = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # with the header of the first block
MAX_BYTES_BEFORE_XING = 36  # from the beginning of the MPEG frame
MAX_EXTRA_BYTES = 2**16  # outside chunks: accepted as a tag; more is audio beyond the stated size
XING_SEARCH_BYTES = 4096  # read after the tags to find the first frame


@dataclass(frozen=True)
class ChunkFormat:
    """The layout of a file format that consists of chunks."""

    first: int  # position of the first chunk in bytes
    name_bytes: int
    size: str  # `struct` format of a chunk's size, which follows its name
    audio: bytes  # beginning of the audio chunk's name
    align: int  # bytes
    counts_header: bool = False  # whether the size of a chunk includes its name and size fields


CHUNK_FORMATS = {
    b"RIFF": ChunkFormat(12, 4, "<I", b"data", 2),
    b"RF64": ChunkFormat(12, 4, "<I", b"data", 2),
    b"BW64": ChunkFormat(12, 4, "<I", b"data", 2),
    b"FORM": ChunkFormat(12, 4, ">I", b"SSND", 2),
    b"caff": ChunkFormat(8, 4, ">Q", b"data", 1),
    b"riff": ChunkFormat(40, 16, "<Q", b"data", 8, counts_header=True),
}


def check_complete(path: Path) -> None:
    """Raise `DataError` for a file that is truncated or has more audio than its header states.

    Ogg streams must end with a last page. Formats without a stated length are accepted.
    """
    check_is_file(path)
    with path.open("rb") as file:
        magic = file.read(8)
        size = file.seek(0, 2)
        if size == 0:
            raise DataError(f"{path}: is empty: replace it")
        stated, extra, second = None, 0, None
        if magic[:4] == b"OggS":
            second = find_second_ogg(path, file, size)
        elif magic[:4] == b"fLaC":
            second = find_second_flac(file)
        elif magic[4:] == b"ftyp":
            second = find_second_mp4(file, size)
        elif magic[:4] in CHUNK_FORMATS:
            stated, extra = measure_chunks(file, CHUNK_FORMATS[magic[:4]], size)
        elif magic[:4] == b".snd":
            stated, extra = measure_au(file, size)
        else:
            stated = find_mpeg_end(file)
        if extra:
            file.seek(size - extra)
            second = size - extra if file.read(4) == magic[:4] else None
    if second is not None:
        raise DataError(f"{path}: another file begins at byte {second}: split or convert it")
    if extra > MAX_EXTRA_BYTES:
        raise DataError(f"{path}: has {extra} bytes more than its header states: replace it")
    if stated is not None and size < stated:
        raise DataError(f"{path}: is truncated, it has {size} of {stated} bytes: replace it")


def check_is_file(path: Path) -> None:
    """Raise `DataError` for missing paths, folders and pipes."""
    if not path.exists():
        raise DataError(f"{path}: does not exist: correct the path")
    if not path.is_file():
        raise DataError(f"{path}: is not a file: replace it")


def measure_chunks(file: BinaryIO, form: ChunkFormat, file_size: int) -> tuple[int | None, int]:
    """Return the stated end of the audio and the number of bytes that belong to no chunk.

    Parameters
    ----------
    file : BinaryIO
        The file, opened for reading.
    form : ChunkFormat
        The layout of its chunks.
    file_size : int
        Its size in bytes.

    Returns
    -------
    audio_end : int or None
        The byte at which the audio chunk should end; None if the header states no size.
    extra : int
        Number of bytes after the audio that are in no chunk, which are audio beyond the stated
        size; 0 if the header states no size.
    """
    header_bytes = form.name_bytes + struct.calcsize(form.size)
    start, long_size, audio_end = form.first, 0xFFFFFFFF, None
    while start + header_bytes <= file_size:
        file.seek(start)
        name = file.read(form.name_bytes)
        (size,) = struct.unpack(form.size, file.read(header_bytes - form.name_bytes))
        if name == b"ds64":  # has the sizes that do not fit into 32 bits
            _, long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
        is_audio = audio_end is None and name.startswith(form.audio)
        if is_audio and size == 0xFFFFFFFF:
            size = long_size
        end = start + size + (0 if form.counts_header else header_bytes)
        if is_audio:
            if size in UNKNOWN_SIZES:
                return None, 0
            audio_end = end
        is_chunk = 0x20 <= min(name[:4]) <= max(name[:4]) < 0x7F and start < end <= file_size
        is_chunk = is_chunk and name[:4] not in CHUNK_FORMATS  # another file
        if audio_end is not None and not is_audio and not is_chunk:
            break
        start = max(start + header_bytes, end + -end % form.align)
    return audio_end, 0 if audio_end is None else max(0, file_size - start)


def measure_au(file: BinaryIO, file_size: int) -> tuple[int | None, int]:
    """Return the same as `measure_chunks` for a Sun AU file."""
    file.seek(4)
    offset, size = struct.unpack(">II", file.read(8).ljust(8, b"\0"))
    if size in UNKNOWN_SIZES:
        return None, 0
    return offset + size, max(0, file_size - offset - size)


def find_mpeg_end(file: BinaryIO) -> int | None:
    """Return the byte at which an MP3 with a Xing header should end, or None for other files."""
    file.seek(0)
    start = file.read(10)
    first = 0
    if start[:3] == b"ID3" and len(start) == 10:  # the tag's size has seven bits per byte
        for byte in start[6:]:
            first = first << 7 | byte & 0x7F
        first += 10
    elif start[:1] != b"\xff":
        return None
    file.seek(first)
    head = file.read(XING_SEARCH_BYTES)
    at = max(head.find(b"Xing", 0, 200), head.find(b"Info", 0, 200))
    if at < 0 or len(head) < at + 16:
        return None
    flags, *fields = struct.unpack(">III", head[at + 4 : at + 16])
    if flags & 2 == 0:  # the size in bytes is not stated
        return None
    # The number of frames, if stated, comes before the number of bytes.
    return first + max(0, at - MAX_BYTES_BEFORE_XING) + fields[flags & 1]


def find_second_ogg(path: Path, file: BinaryIO, file_size: int) -> int | None:
    """Return the byte at which a second Ogg stream follows the end of the first, or None.

    Raises `DataError` if the last page is missing or incomplete.
    """
    at, flags, in_headers = 0, 0, True
    while at < file_size:
        file.seek(at)
        page = file.read(OGG_HEADER_BYTES + 255)
        if page[:4] != b"OggS" or len(page) < OGG_HEADER_BYTES:
            break
        flags, segments = page[5], page[OGG_HEADER_BYTES - 1]
        if flags & OGG_FIRST_PAGE_FLAG and not in_headers:
            return at
        in_headers = bool(flags & OGG_FIRST_PAGE_FLAG)
        at += OGG_HEADER_BYTES + segments + sum(page[OGG_HEADER_BYTES:][:segments])
    if at > file_size or not flags & OGG_LAST_PAGE_FLAG:
        raise DataError(f"{path}: is truncated, its last page is missing: replace it")
    return None


def find_second_flac(file: BinaryIO) -> int | None:
    """Return the byte at which a second FLAC file begins, or None."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        second = FLAC_START.search(content, 1)
        return second.start() if second else None


def find_second_mp4(file: BinaryIO, file_size: int) -> int | None:
    """Return the byte at which a second MP4 file begins, or None."""
    at = 0
    while at + 8 <= file_size:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        if at and name == b"ftyp":
            return at
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
        if size < 8:  # 0: up to the end of the file
            break
        at += size
    return None
