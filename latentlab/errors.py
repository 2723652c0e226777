"""The errors that a user can cause, each one line: what was expected, what came, what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence

SHOWN_NAMES = 40
# What the system answers to paths that nobody can ask about, wherever a command first does.
UNREACHABLE = (errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP)
# C0, DEL and C1, and what turns the direction of writing.
CONTROLS = {
    code: repr(chr(code))[1:-1]
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


class LatentlabError(Exception):
    """Something could not be done, for a reason that the message names in one line.

    The command line prints the message alone and exits with `exit_code`; anything that is not a
    `LatentlabError` is a bug and keeps its traceback.
    """

    exit_code = 1
    # Whether the line breaks of the message mean something, as in an excerpt with a caret below it.
    has_layout = False


class UsageError(LatentlabError):
    """The words of the call are wrong: an option that does not parse, or two that exclude each other."""

    exit_code = 2


class UnknownNameError(LatentlabError):
    """A name that nothing here answers to."""


class CapabilityError(LatentlabError):
    """A model was asked for something that its family cannot answer."""


class FileFormatError(LatentlabError):
    """A file is cut short, edited, of another kind, or belongs to another model."""


class DataError(LatentlabError):
    """Images, labels or attributes that do not fit what is asked of them."""


class TrainingError(LatentlabError):
    """Training could not go on."""


def unknown_name(kind: str, got: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """Build the error for a name that is not known, with the nearest names and the whole list.

    Args:
        kind: what the name was for, such as "attribute".
        got: the name as the user wrote it.
        known: every name that would have done.
        hint: what else to do, put at the end.

    >>> print(unknown_name("attribute", "smlie", ["smile", "hat"]))
    unknown attribute 'smlie'; did you mean smile? known: smile, hat
    """
    names = list(dict.fromkeys(str(name) for name in known))
    folded = {name.casefold(): name for name in names}
    near = [folded[match] for match in difflib.get_close_matches(got.casefold(), folded, n=3)]
    asked = f"; did you mean {' or '.join(near)}?" if near else ";"
    shown = ", ".join(names[:SHOWN_NAMES]) or "none"
    if len(names) > SHOWN_NAMES:
        shown += f" and {len(names) - SHOWN_NAMES} more"
    return UnknownNameError(f"unknown {kind} {got!r}{asked} known: {shown}{'; ' + hint if hint else ''}")


def first_line(error: BaseException, most: int = 200) -> str:
    """What another library's error says, in one line of at most so many characters; its class where it says nothing.

    >>> first_line(ValueError("it broke\\nin many places"))
    'it broke'
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]


def visible(text: str) -> str:
    """A text with its control characters written out: names of other people's files must not steer a terminal.

    >>> visible("smile\\x1b[2J\\n")
    'smile\\\\x1b[2J\\\\n'
    """
    return text.translate(CONTROLS)


def listed(names: Sequence[str], most: int = SHOWN_NAMES) -> str:
    """The first names of a list that may be long and of a file's making, and how many more there are.

    >>> listed(["a", "b\\n", "c"], most=2)
    "a, 'b\\\\n' and 1 more"
    """
    shown = [name if name.isprintable() else repr(name) for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
