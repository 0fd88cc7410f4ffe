"""What a file's own header says of its length: how a file that was cut off is known.

libsndfile reads as much as there is, without a word; so the audio's stated size is compared with
the file's. A header written before its length was known (to a pipe) states none.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from Spec.Errors import DataError

# What programs that write to a pipe put for a length they do not know yet.
UNKNOWN = {0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 2**64 - 1}
OGG_PAGE = 65307  # bytes of the longest page
OGG_END = 4  # the flag of a stream's last page
XING_REACH = 36  # bytes of an MPEG frame before its Xing header, at most
STRAYS = 2**16  # bytes that may follow the audio and be no chunk: a tag, not seconds of music
XING_SEARCH = 4096  # bytes after the tags in which the first frame is looked for


@dataclass(frozen=True)
class Chunks:
    """How a file of chunks is laid out: where the first is, and what is before its content."""

    first: int
    name_bytes: int
    size: str  # of `struct`
    audio: bytes  # how the name of the chunk that holds the audio begins
    align: int
    counts_itself: bool = False  # whether a size includes name and size


CHUNKS = {
    b"RIFF": Chunks(12, 4, "<I", b"data", 2),
    b"RF64": Chunks(12, 4, "<I", b"data", 2),
    b"BW64": Chunks(12, 4, "<I", b"data", 2),
    b"FORM": Chunks(12, 4, ">I", b"SSND", 2),
    b"caff": Chunks(8, 4, ">Q", b"data", 1),
    b"riff": Chunks(40, 16, "<Q", b"data", 8, counts_itself=True),
}


def check_whole(path: Path) -> None:
    """Refuse a file that is shorter than its header says, or has more audio than that; or an Ogg
    stream without its end.

    Raises `DataError`; a format that states no length passes.
    """
    refuse_no_file(path)
    with path.open("rb") as file:
        magic = file.read(4)
        size = file.seek(0, 2)
        if size == 0:
            raise DataError(f"{path}: is empty: replace it")
        if magic == b"OggS":
            if not ogg_is_ended(file, size):
                raise DataError(f"{path}: is cut off, its last page is missing: replace it")
            return
        if magic in CHUNKS:
            stated = end_of_audio(file, CHUNKS[magic], size)
            strays = bytes_in_no_chunk(file, CHUNKS[magic], stated or size, size)
            if strays > STRAYS:
                raise DataError(
                    f"{path}: has {strays} bytes more than its header tells of: replace it"
                )
        elif magic == b".snd":
            stated = end_of_au(file)
        else:
            stated = end_of_mpeg(file)
    if stated is not None and size < stated:
        raise DataError(
            f"{path}: is cut off, its header promises {stated} bytes and it has {size}: replace it"
        )


def refuse_no_file(path: Path) -> None:
    """Refuse what is missing, and what is there and no file: a folder, or a pipe to wait at."""
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if not path.is_file():
        raise DataError(f"{path}: is no file: replace it")


def end_of_audio(file: BinaryIO, chunks: Chunks, file_size: int) -> int | None:
    """The byte at which the chunk of audio should end; None where it states no size."""
    place, long_size = chunks.first, None
    before = chunks.name_bytes + struct.calcsize(chunks.size)
    while place + before <= file_size:
        file.seek(place)
        name = file.read(chunks.name_bytes)
        (size,) = struct.unpack(chunks.size, file.read(before - chunks.name_bytes))
        if name == b"ds64":  # the sizes that do not fit into 32 bits
            _, long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
        if name.startswith(chunks.audio):
            if long_size is not None and size == 0xFFFFFFFF:
                size = long_size
            if size in UNKNOWN:
                return None
            return place + (size if chunks.counts_itself else before + size)
        step = size if chunks.counts_itself else before + size
        place += max(before, step + -step % chunks.align)
    return None


def bytes_in_no_chunk(file: BinaryIO, chunks: Chunks, place: int, file_size: int) -> int:
    """How much of a file, from `place` on, no chunk accounts for: audio that is more than its
    chunk's size can state, or was written after the size was."""
    before = chunks.name_bytes + struct.calcsize(chunks.size)
    place += -place % chunks.align
    while place + before <= file_size:
        file.seek(place)
        name = file.read(chunks.name_bytes)
        (size,) = struct.unpack(chunks.size, file.read(before - chunks.name_bytes))
        end = place + (size if chunks.counts_itself else before + size)
        if not 0x20 <= min(name[:4]) <= max(name[:4]) < 0x7F or not place < end <= file_size:
            break
        place = end + -end % chunks.align
    return max(0, file_size - place)


def end_of_au(file: BinaryIO) -> int | None:
    """The byte at which the audio of a Sun AU file should end."""
    file.seek(4)
    offset, size = struct.unpack(">II", file.read(8).ljust(8, b"\0"))
    return None if size in UNKNOWN else offset + size


def end_of_mpeg(file: BinaryIO) -> int | None:
    """The byte at which an MP3 with a Xing header should end; None for anything else."""
    file.seek(0)
    start = file.read(10)
    first = 0
    if start[:3] == b"ID3" and len(start) == 10:  # seven bits in each byte of its size
        first = 10
        for position, byte in enumerate(start[6:]):
            first += (byte & 0x7F) << 7 * (3 - position)
    elif start[:1] != b"\xff":
        return None
    file.seek(first)
    head = file.read(XING_SEARCH)
    at = max(head.find(b"Xing", 0, 200), head.find(b"Info", 0, 200))
    if at < 0 or len(head) < at + 16:
        return None
    flags, *fields = struct.unpack(">III", head[at + 4 : at + 16])
    if flags & 2 == 0:  # it states no bytes
        return None
    return first + max(0, at - XING_REACH) + fields[flags & 1]  # a count of frames may come first


def ogg_is_ended(file: BinaryIO, size: int) -> bool:
    """Whether the last page of an Ogg file is there whole, and is the end of its stream."""
    file.seek(max(0, size - OGG_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS\0")
    page = tail[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return False
    content = sum(page[27 : 27 + page[26]])
    return len(page) >= 27 + page[26] + content and bool(page[5] & OGG_END)
