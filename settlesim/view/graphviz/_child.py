"""The program of the layout process: it reads DOT text from a pipe and writes pictures to another.

It runs as a script in isolated mode and imports nothing of settlesim. Graphviz is a C library. A
hostile graph can make it fail an assertion or keep it busy for hours; in a process of its own
that does no harm, because the parent ends the process and starts another one.

A request is a length (4 bytes, big-endian) and JSON ``{"dot", "format"}``. An answer is a status
byte (0 for an error, 1 for a picture), a length, and the bytes. The first answer says, before any
request, that pygraphviz was imported, or why it was not.
"""

from __future__ import annotations

import json
import os
import struct
import sys


def serve() -> None:
    """Answer requests until the pipe is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)  # Graphviz writes its complaints to 1 and 2
    os.dup2(nowhere, 2)

    def answer(ok: bool, body: bytes) -> None:
        answers.write(struct.pack(">BI", ok, len(body)) + body)
        answers.flush()

    try:
        from pygraphviz import AGraph
    except Exception as error:
        answer(False, f"{type(error).__name__}: {error}".encode())
        return
    answer(True, b"")
    requests = sys.stdin.buffer
    while len(head := requests.read(4)) == 4:
        request = json.loads(requests.read(*struct.unpack(">I", head)))
        try:
            # string=: without it, a text that is no graph would be taken for a file's name
            body = AGraph(string=request["dot"]).draw(format=request["format"], prog="dot")
            answer(True, body)
        except Exception as error:
            answer(False, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))


if __name__ == "__main__":
    serve()
