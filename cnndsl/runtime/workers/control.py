"""The line between the launcher of ``--workers`` and each of its workers: a socket in a folder.

MPI's launcher hands on what workers print, through terminals of its own: a worker could not tell
whether somebody reads along or a file takes it. Over this line each gets the very streams of the
launcher. It also carries the wish to stop, and its end tells either side that the other is gone,
at once and however it went: no worker outlives its launcher.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cnndsl.diagnostics.exit_codes import LOST
from cnndsl.runtime.workers.job_folders import remove_folders

__all__ = ["ADDRESS", "Attached", "Control", "attach", "going_on", "opened"]

ADDRESS = "CNNDSL_LAUNCHER"
"""The variable that tells a worker where its launcher listens."""

_STOP = b"s"
_STREAMS = (0, 1, 2)
"""The numbers of standard input, output and error; a bit for each says which ones are given."""


def going_on(resumes: bool) -> str:
    """What to do where a worker is lost: of what ``resumes``, a part is done already."""
    how = "go on with `--resume`" if resumes else "start it again"
    return f"{how}, with any number of workers"


# --- the worker's end -------------------------------------------------------------------------


def attach(rank: int) -> None:
    """Tie this process to the launcher that started it, where that is one of ours."""
    path = os.environ.pop(ADDRESS, None)
    if path is None:
        return
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(path)
        hello = {"rank": rank, "host": socket.gethostname(), "process": os.getpid()}
        line.sendall(json.dumps(hello).encode() + b"\n")
        which, streams, _, _ = socket.recv_fds(line, 1, len(_STREAMS))
    except OSError:
        os._exit(LOST)  # It is gone already.
    if not which:
        os._exit(LOST)
    _take_streams(which[0], streams)
    threading.Thread(target=_listen, args=(line, path), name="launcher", daemon=True).start()


def _take_streams(which: int, streams: list[int]) -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    wanted = [number for number in _STREAMS if which & 1 << number]
    for number, stream in zip(wanted, streams, strict=True):
        os.dup2(stream, number)
        os.close(stream)


def _listen(line: socket.socket, path: str) -> None:
    while True:
        try:
            said = line.recv(1)
        except OSError:
            said = b""
        if said != _STOP:
            remove_folders(path)
            os._exit(LOST)
        os.kill(os.getpid(), signal.SIGUSR1)


# --- the launcher's end -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attached:
    """A worker at the other end."""

    rank: int
    host: str
    process: int


class Control:
    """The launcher's end of the lines to all workers.

    :attr:`gone` are those whose line has ended, in that order.

    Args:
        folder: where it listens.
        streams: what workers get as standard output and error, and perhaps input, by number.
    """

    def __init__(self, folder: Path, streams: Mapping[int, int]) -> None:
        self._streams = streams
        self.path = folder / "s"
        self.gone: list[Attached] = []
        self.count = 0
        self._stopping = False
        self._lines: dict[socket.socket, Attached | None] = {}
        self._selector = selectors.DefaultSelector()
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.path))
        self._door.listen(socket.SOMAXCONN)
        self._selector.register(self._door, selectors.EVENT_READ)

    def serve(self, seconds: float) -> None:
        """Take in those that come, and notice those that are gone, for so long at most."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._door:
                self._welcome()
            elif isinstance(key.fileobj, socket.socket):
                self._hear(key.fileobj)

    def _welcome(self) -> None:
        line, _ = self._door.accept()
        line.settimeout(5)
        self._lines[line] = None
        self._selector.register(line, selectors.EVENT_READ)

    def _hear(self, line: socket.socket) -> None:
        """A worker says who it is, or nothing more."""
        known = self._lines[line]
        try:
            said = line.recv(4096)
            if said and known is None:
                hello = json.loads(said)
                _give_streams(line, self._streams)
                self._lines[line] = Attached(hello["rank"], hello["host"], hello["process"])
                self.count += 1
                if self._stopping:
                    line.sendall(_STOP)
        except OSError:
            said = b""
        if not said:
            self._selector.unregister(line)
            line.close()
            del self._lines[line]
            if known is not None:
                self.gone.append(known)

    def ask_to_stop(self) -> None:
        """Ask all workers to stop when they can, those that have not come yet too."""
        self._stopping = True
        for line, known in self._lines.items():
            if known is not None:
                with contextlib.suppress(OSError):
                    line.sendall(_STOP)

    def end(self, seconds: float) -> None:
        """See that no worker is left: they end with the line, or are killed after so long."""
        until = time.monotonic() + seconds
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_WR)
        while self._lines and time.monotonic() < until:
            self.serve(0.05)
        for known in self._lines.values():
            if known is not None:
                with contextlib.suppress(OSError):
                    os.kill(known.process, signal.SIGKILL)
        until = time.monotonic() + seconds
        while self._lines and time.monotonic() < until:
            self.serve(0.05)

    def close(self) -> None:
        """Let go of all lines."""
        for line in self._lines:
            line.close()
        self._door.close()
        self._selector.close()


def _give_streams(line: socket.socket, streams: Mapping[int, int]) -> None:
    # Where the caller has closed standard output, its number is another file's by now.
    own = {1: sys.__stdout__, 2: sys.__stderr__}
    closed = [(number, number) for number, stream in own.items() if stream is None]
    which = sum(1 << number for number in streams)
    with open(os.devnull, "wb") as nothing:
        pairs = sorted(streams.items())
        given = [nothing.fileno() if pair in closed else pair[1] for pair in pairs]
        socket.send_fds(line, [bytes([which])], given)


@contextlib.contextmanager
def opened(folder: Path, streams: Mapping[int, int]) -> Iterator[Control]:
    """The launcher's end of new lines, in a folder that nobody else may enter."""
    control = Control(folder, streams)
    try:
        yield control
    finally:
        control.close()
