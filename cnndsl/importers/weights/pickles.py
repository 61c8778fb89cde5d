"""Reads pickles as data: nothing in them is ever imported, called or built.

A pickle is a program for a small machine, and the usual one calls whatever the program names. This
one knows the instructions that make numbers, texts, lists and dictionaries. The few names that
files of tensors need become records (:class:`Call`) that say what was to be called with what; any
other name is refused. The instructions are told apart by the standard library's ``pickletools``.

Memory and time grow with the length of the pickle, and no faster: how many items are taken from
another thing is limited. Nesting costs nothing, since nothing here calls itself.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import IO, Any, BinaryIO

__all__ = ["BoundedFile", "Call", "Name", "PickleError", "UnsafePickleError", "read_pickle"]

_MOST = 8_000_000
"""So many instructions are carried out: each takes some hundred bytes at most."""

_MOST_COPIED = 1_000_000
"""So many pairs become items of ordered dictionaries: a list may be given to many of these."""

_LONGEST = 2**26
"""The bytes of the longest text or number in a pickle."""


class PickleError(ValueError):
    """The bytes are no pickle, or one that does what only programs do."""


class UnsafePickleError(PickleError):
    """A pickle that wants something called that is no part of a file of tensors."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"it wants `{name}`")


@dataclass(frozen=True, slots=True)
class Name:
    """A name of Python's that a pickle has: ``torch.FloatStorage``."""

    text: str


@dataclass(slots=True, eq=False)
class Call:
    """What a pickle wants called, with what; it never is."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


class BoundedFile:
    """An open file as ``pickletools`` reads it, that gives no more at once than is there."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or fewer at the end."""
        if size > _LONGEST or size > self._size - self._file.tell():
            raise PickleError("it is cut short")
        return self._file.read(size)

    def readline(self) -> bytes:
        """A line of a moderate length."""
        line = self._file.readline(_LONGEST)
        if not line.endswith(b"\n"):
            raise PickleError("it is cut short")
        return line

    def tell(self) -> int:
        """Where it is read next."""
        return self._file.tell()


def read_pickle(
    file: IO[bytes] | BoundedFile,
    allowed: Callable[[str], bool],
    persistent: Callable[[Any], Any] = lambda identity: None,
) -> Any:
    """What the pickle that a file goes on with stands for.

    Args:
        file: is read up to the pickle's end.
        allowed: whether a name, ``module.name``, may stand in it.
        persistent: makes something of what names a thing outside the pickle.

    Raises:
        UnsafePickleError: for any other name.
        PickleError: where it is no whole pickle.
    """
    machine = _Machine(allowed, persistent)
    stream: Any = file  # which has what of a file it asks for
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if opcode.name == "STOP":
                return machine.result()
            machine.carry_out(opcode.name, argument)
            if number == _MOST:
                break
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise PickleError(f"it is no whole pickle ({error})") from error
    raise PickleError(f"it has more than {_MOST:,} instructions")


class _Mark:
    """Where a list's or a call's items begin on the stack."""


_MARK = _Mark()

_CONSTANTS: Mapping[str, Any] = MappingProxyType({"NONE": None, "NEWTRUE": True, "NEWFALSE": False})
_ARGUMENTS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)
"""The instructions that put their argument on the stack."""

_NOTHING = frozenset({"PROTO", "FRAME"})
_EMPTY: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
)


@dataclass(slots=True, eq=False)
class _Machine:
    allowed: Callable[[str], bool]
    persistent: Callable[[Any], Any]
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    copied: int = 0
    """So many items were taken from things that may be taken from again."""

    # Long, because it is the table of the instructions.
    def carry_out(self, name: str, argument: Any) -> None:
        """One instruction."""
        stack = self.stack
        if name in _ARGUMENTS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _NOTHING:
            pass
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            items = self._pop(int(name[-1]))
            stack.append(tuple(items))
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name in ("LIST", "FROZENSET"):
            stack.append(self._since_mark())
        elif name == "DICT":
            items = self._since_mark()
            stack.append({})
            self._set(items)
        elif name == "APPEND":
            self._append(self._pop(1))
        elif name in ("APPENDS", "ADDITEMS"):
            self._append(self._since_mark())
        elif name == "SETITEM":
            self._set(self._pop(2))
        elif name == "SETITEMS":
            self._set(self._since_mark())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[int(argument)])
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._since_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            self._call(name, argument)

    def result(self) -> Any:
        """What is left at the end, which must be one thing."""
        [found] = self._pop(1)
        if self.stack:
            raise PickleError("it leaves more than one thing")
        return found

    def _call(self, name: str, argument: Any) -> None:
        """The instructions that name something, or want it called."""
        stack = self.stack
        if name == "GLOBAL":
            stack.append(self._named(*str(argument).split(" ", 1)))
        elif name == "STACK_GLOBAL":
            stack.append(self._named(*self._pop(2)))
        elif name in ("REDUCE", "NEWOBJ"):
            what, arguments = self._pop(2)
            stack.append(self._made(what, arguments))
        elif name == "NEWOBJ_EX":
            what, arguments, _ = self._pop(3)
            stack.append(self._made(what, arguments))
        elif name == "OBJ":
            what, *arguments = self._since_mark()
            stack.append(self._made(what, tuple(arguments)))
        elif name == "INST":
            arguments = self._since_mark()
            stack.append(self._made(self._named(*str(argument).split(" ", 1)), tuple(arguments)))
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Call):
                stack[-1].state = state
        elif name == "BINPERSID":
            stack.append(self.persistent(stack.pop()))
        elif name == "PERSID":
            stack.append(self.persistent(argument))
        else:
            raise PickleError(f"it has the instruction {name}")

    def _named(self, module: Any, name: Any) -> Name:
        text = f"{module}.{name}"
        if not isinstance(module, str) or not isinstance(name, str) or not self.allowed(text):
            raise UnsafePickleError(text[:200])
        return Name(text)

    def _made(self, what: Any, arguments: Any) -> Any:
        if not isinstance(what, Name) or not isinstance(arguments, tuple):
            raise PickleError("it calls what is no name")
        if what.text == "collections.OrderedDict":
            pairs = arguments[0] if arguments else []
            if not isinstance(pairs, list | tuple | dict):
                raise PickleError("it makes a dictionary of what holds no pairs")
            self.copied += len(pairs)
            if self.copied > _MOST_COPIED:
                raise PickleError(f"it copies more than {_MOST_COPIED:,} items")
            items: list[Any] = []
            for pair in pairs.items() if isinstance(pairs, dict) else pairs:
                if not isinstance(pair, list | tuple) or len(pair) != 2:
                    raise PickleError("it makes a dictionary of what holds no pairs")
                items += pair
            self.stack.append({})
            self._set(items)
            return self.stack.pop()
        return Call(what.text, arguments)

    def _pop(self, number: int) -> list[Any]:
        if len(self.stack) < number:
            raise PickleError("it takes more than it has")
        items = self.stack[-number:]
        del self.stack[-number:]
        if any(one is _MARK for one in items):
            raise PickleError("it takes more than it has")
        return items

    def _since_mark(self) -> list[Any]:
        items: list[Any] = []
        while (one := self.stack.pop()) is not _MARK:
            items.append(one)
        items.reverse()
        return items

    def _append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Call):
            raise PickleError("it appends to what is no list")

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Call):
            return
        if not isinstance(target, dict) or len(items) % 2:
            raise PickleError("it sets items of what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Other keys would be hashed, however deep they are.
            if isinstance(key, str | int | float | bytes) or key is None:
                target[key] = value
