"""The fonts that pictures are measured and painted with: Liberation Sans, in this package.

A machine without any font gives the same picture as one with a thousand. The files are the
unchanged ones of Liberation Fonts 2.1.5 (SIL Open Font License 1.1, ``liberation/OFL.txt``).
"""

from __future__ import annotations

import atexit
import os
import shutil
import struct
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

__all__ = ["FAMILY", "FILES", "covers", "fontconfig_file", "text_width", "uncovered"]

FAMILY: Final = "Liberation Sans, Arial, Helvetica, sans-serif"
"""For SVG: three families with the same glyph widths, then any sans-serif font."""

FOLDER: Final = Path(__file__).parent / "liberation"
FILES: Final = tuple(
    FOLDER / f"LiberationSans-{face}.ttf" for face in ("Regular", "Bold", "Italic")
)

_PREFIX: Final = "settlesim-fonts-"
"""The beginning of every process's folder name; the process id follows."""

_CONFIG = """<?xml version="1.0"?>
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""


def fontconfig_file() -> str:
    """Return the path of a fontconfig configuration that names our fonts only.

    The fonts are copied beside it, because fontconfig writes into font folders where it can, and
    must not write into the installed package. The folder is removed when this process exits; if
    the process was killed, the next process that calls this function removes it. If something
    else has removed the folder, it is made again.
    """
    config = _made(os.getpid())
    if not os.path.exists(config):
        _made.cache_clear()
        config = _made(os.getpid())
    return config


@lru_cache(maxsize=1)
def _made(owner: int) -> str:
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{owner}-"))
    atexit.register(_remove, folder, owner)
    fonts = folder / "fonts"
    fonts.mkdir()
    for file in FILES:
        shutil.copy(file, fonts)
    config = folder / "fonts.conf"
    text = _CONFIG.format(fonts=escape(str(fonts)), cache=escape(str(folder / "cache")))
    config.write_text(text, encoding="utf-8")
    return str(config)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits the handler, but does not own the folder
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(temporary: Path) -> None:
    """Remove the folders left by this user's killed processes, such as notebook kernels."""
    if os.name != "posix":
        return  # on Windows, os.kill(process, 0) would end the process
    for folder in temporary.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        with suppress(OSError):
            if owner.isdecimal() and folder.lstat().st_uid == os.getuid() and _ended(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


class _Face:
    """The characters that a font file has glyphs for, with their widths.

    References
    ----------
    OpenType 1.9, tables ``head``, ``hhea``, ``hmtx`` and ``cmap`` (subtable format 4).
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        (count,) = struct.unpack_from(">H", data, 4)
        tables = {}
        for index in range(count):
            tag, _, offset, _ = struct.unpack_from(">4sIII", data, 12 + 16 * index)
            tables[tag] = offset
        self.units: int = struct.unpack_from(">H", data, tables[b"head"] + 18)[0]
        (metrics,) = struct.unpack_from(">H", data, tables[b"hhea"] + 34)
        advances = struct.unpack_from(">" + "Hh" * metrics, data, tables[b"hmtx"])[::2]
        self.widths: dict[int, int] = {
            code: advances[min(glyph, metrics - 1)]
            for code, glyph in _glyphs(data, tables[b"cmap"]).items()
        }


def _glyphs(data: bytes, cmap: int) -> dict[int, int]:
    """Return the glyph of every character of the Basic Multilingual Plane that has one."""
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    records = [struct.unpack_from(">HHI", data, cmap + 4 + 8 * index) for index in range(count)]
    table = cmap + next(offset for platform, kind, offset in records if (platform, kind) == (3, 1))
    (double,) = struct.unpack_from(">H", data, table + 6)
    segments = double // 2
    row = f">{segments}H"
    ends = struct.unpack_from(row, data, table + 14)
    starts = struct.unpack_from(row, data, table + 16 + double)
    deltas = struct.unpack_from(row, data, table + 16 + 2 * double)
    at = table + 16 + 3 * double
    offsets = struct.unpack_from(row, data, at)
    found = {}
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        for code in range(start, min(end, 0xFFFE) + 1):
            glyph = code
            if offsets[index]:
                position = at + 2 * index + offsets[index] + 2 * (code - start)
                (glyph,) = struct.unpack_from(">H", data, position)
                if not glyph:
                    continue
            found[code] = (glyph + deltas[index]) & 0xFFFF
    return {code: glyph for code, glyph in found.items() if glyph}


@lru_cache(maxsize=3)
def _face(index: int) -> _Face:
    return _Face(FILES[index])


def covers(text: str) -> bool:
    """Whether our fonts have a glyph for every character."""
    return text.isascii() or not any(uncovered(text))


def uncovered(text: str) -> Iterator[str]:
    """Yield the characters that our fonts have no glyph for.

    U+FFFD, the replacement character, is not among them: many fonts show it as an empty box anyway.
    """
    widths = _face(0).widths
    return (
        each for each in text if ord(each) > 126 and ord(each) not in widths and each != "\ufffd"
    )


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text, without kerning.

    The width of a character that our fonts lack is estimated.

    Parameters
    ----------
    size : the font's size; the width is in the same unit
    """
    face = _face(1 if bold else 0)
    units = 0.0
    for each in text:
        found = face.widths.get(ord(each))
        units += found if found is not None else face.units * _usual_width(each)
    return size * units / face.units


def _usual_width(character: str) -> float:
    """Estimate the width of a character that our fonts lack, relative to the font's size."""
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0.0  # invisible, or combined with the character before it
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.75
