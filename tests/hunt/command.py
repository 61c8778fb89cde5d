"""Runs the command line within a case, and judges how it ended."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.cli import main

__all__ = ["Ended", "call"]

_ESCAPES = re.compile(r"Traceback \(most recent call last\)|internal error|Warning: ")
_NO_NUMBER = re.compile(r"(?<![\w`\"])(nan|inf)\b")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it wrote."""

    line: str
    code: int
    out: str
    err: str

    def complaints(self, allowed: Sequence[int] = (0, 1)) -> list[str]:
        """What no command may do, whatever it was given."""
        found = []
        if self.code not in allowed:
            codes = " ".join(re.findall(r"error\[(\w+)\]|internal error.*", self.out + self.err))
            found.append(f"exit {self.code} {codes}")
        if escaped := _ESCAPES.search(self.err):
            found.append(f"stderr says {escaped[0]!r}")
        if self.code == 0 and _NO_NUMBER.search(self.out) and not _NO_NUMBER.search(self.line):
            found.append("a number that is none")
        if self.code == 1 and not re.search("error|warning|failed", self.err + self.out):
            found.append("exit 1 without a word")
        if self.code == 1 and re.search(r"^error", self.err, re.M) and "help: " not in self.err:
            first = re.search(r"error\[(\w+)\]", self.err)
            found.append(f"no help with {first[1] if first else 'an error'}")
        told = f"{self.line}\n{self.out[-1500:]}{self.err[-2500:]}"
        return [f"{text} from {' '.join(self.line.split()[:2])}\n{told}" for text in found]


def call(*words: str) -> Ended:
    """Run ``cnndsl`` with these words in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(words), prog_name="cnndsl")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    texts = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]
    return Ended(f"cnndsl {shlex.join(words)}", code, *texts)
