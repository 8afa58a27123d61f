"""Which occurrences are the same error.

A fingerprint is made from readable inputs, which are kept beside it, so that a grouping can be
explained. Line numbers and rendered messages are never among them: an edit elsewhere in the file or
another user's name must not make a new group.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from string import ascii_letters

from llama_logging import plain
from llama_logging.context import ErrorContext, ExceptionDetail, Frame, is_file, own_calls
from llama_logging.frozen import replace
from llama_logging.patterns import regex

try:
    from _blake2 import blake2b  # hashlib has it from there, and loads OpenSSL besides
except ImportError:
    from hashlib import blake2b

VERSION = "v1"
LOGGER, _MESSAGE = "logger ", "message "
"""What the inputs begin with that a logger and a message are."""

# Each starts at few characters, looks back from there, and runs over a character once: linear in the text's length.
# UUIDs, addresses of IPv6 and of Ethernet, digests; numbers, also as `1,234.5` and `10:30`.
_NUMBER = regex(
    r"[0-9a-fA-F](?<![0-9A-Za-z].)(?:[0-9a-fA-F]{7}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{0,3}(?::[0-9a-fA-F]{0,4}){2,6}:[0-9a-fA-F]{1,4}(?![\w:])"
    r"|(?:(?<=\d)|(?=[a-fA-F]*+\d))[0-9a-fA-F]{6,}+(?![0-9A-Za-z]))"
    r"|\d++(?:[.,:]\d++)*+"
)
# The rest of a word that a digit begins, as `1st`, `30MB` and `1e-5`; not of `404Error`.
_BEHIND = regex(r"<n>(?<![0-9A-Za-z]<n>)(?:e[+-]<n>[A-Za-z]*+|(?:[a-z]|[A-Z](?![a-z]))[A-Za-z]*+)")
# The rest of a word that has several numbers, which is one that nobody wrote: `a8tu75q`, `0x7f3c`.
_SEVERAL = regex(r"<n>(?:[A-Za-z]++<n>)++[A-Za-z]*+")
_LIST = regex(r"<n>(?:, <n>)++")
_ADDRESS = regex(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}")
# As the standard library names temporary files.
_TEMPORARY = regex(r"tmp(?<![0-9A-Za-z]...)[a-z0-9_]{8}(?![0-9A-Za-z_])")
# The query of a URL; `name='bob'`, and `'name': 'bob'`.
_VALUE = regex(
    r"\?[\w.%-]{1,64}=[^\s'\"<>)]*+"
    r"|'(?:(?<==.)|(?<=': .))[^'\n]*+'|\"(?:(?<==.)|(?<=\": .)|(?<=\":.))[^\"\n]*+\""
)

# Of a file's path or content in the name of a module that is loaded from it, as Airflow has for each version of a DAG.
_DIGEST = regex(r"(?<![0-9A-Za-z])[0-9a-f]{32,64}(?![0-9A-Za-z])")
_SHORTEST_DIGEST = 32

_WORDLESS = regex(r"(?:%(?:\([^()]{1,64}\))?[#0 +-]*+[\d*]*+(?:\.[\d*]++)?[a-zA-Z%]|[\W\d_])*+")


def fingerprint(inputs: Sequence[str]) -> str:
    """The fingerprint of *inputs*: the version, then 16 hex digits (64 bits of BLAKE2b).

    >>> fingerprint(["ValueError", "app.main: int(text)"])
    'v1:290fb60c1e70c043'
    """
    named = digest("\x1f".join(inputs))
    return f"{VERSION}:{named}"


def digest(text: str) -> str:
    """16 hex digits that stand for *text*."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def of_exceptions(exceptions: Sequence[ExceptionDetail]) -> tuple[str, ...]:
    """The inputs of an exception and all it is chained to: types, and the application's own frames.

    Where a chain has none at all, those of the packages count; else not, for an update moves them about.
    A group is what its members are: a TaskGroup in which twenty tasks failed in one way is that one
    error, however many there were (the rule of Sentry's RFC 0079). Members that differ stand sorted,
    one of each, after the group itself.
    """
    leaves = _leaves(exceptions)
    if not leaves:
        alone = len(exceptions) == 1 or not any(own_calls(exception.frames) for exception in exceptions)
        return tuple(line for exception in exceptions for line in _of_exception(exception, alone=alone))
    distinct = sorted({tuple(_of_exception(replace(exceptions[leaf], relation="raised"))) for leaf in leaves})
    if len(distinct) == 1:
        return distinct[0]
    members = (line for inputs in distinct for line in ("member", *inputs))
    return (*_of_exception(exceptions[0]), *members)


def main_of(exceptions: Sequence[ExceptionDetail]) -> int:
    """Which exception gives the error its name: the first; of a group whose members are all alike, a member."""
    leaves = _leaves(exceptions)
    kinds = {tuple(_of_exception(replace(exceptions[leaf], relation="raised"))) for leaf in leaves}
    return leaves[0] if len(kinds) == 1 else 0


def renewed(context: ErrorContext) -> ErrorContext:
    """*context* with a stack that is grouped as this version groups; the same if it is already."""
    stack = context.stack
    if not stack.fingerprint or _is_settled(context):
        return context
    if stack.exceptions:
        # What was logged of what was never raised, no frame tells.
        logged = itertools.dropwhile(lambda line: not line.startswith(LOGGER), stack.grouping)
        inputs = (*of_exceptions(stack.exceptions), *logged)
    else:
        template = context.log_template or context.log_message
        inputs = of_message(context.logger_name, template, rendered=not context.log_template)
    key = fingerprint(inputs)
    if key == stack.fingerprint:
        return context
    own = context.grouping == stack.grouping
    return replace(
        context,
        stack=replace(stack, grouping=inputs, fingerprint=key),
        grouping=inputs if own else context.grouping,
        fingerprint=key if own else context.fingerprint,
    )


def _is_settled(context: ErrorContext) -> bool:
    """Whether its stack was grouped by this version, in a way that has not changed since.

    What `normalise` takes out may grow, and what counts as the application's, without a new version,
    which would give every group another key: only those with such things in them change.
    """
    stack = context.stack
    if not stack.fingerprint.startswith(f"{VERSION}:") or any(_DIGEST.search(line) for line in stack.grouping):
        return False
    if stack.exceptions:
        frames = [frame for exception in stack.exceptions for frame in exception.frames]
        alike = all(is_file(frame.file) and "/" not in frame.module for frame in frames)
        return alike and all(any(frame.in_app for frame in exception.frames) for exception in stack.exceptions)
    if context.log_template or len(stack.grouping) != 2:
        return True
    said = stack.grouping[1]
    if not said.startswith(_MESSAGE):
        return True
    # Of an object that was logged the class is its message there.
    return not context.log_message.startswith(said.removeprefix(_MESSAGE).partition("<n>")[0])


def of_message(logger_name: str, template: str, *, rendered: bool) -> tuple[str, ...]:
    """The inputs of a record without exception.

    Args:
        logger_name: Name of the logger.
        template: `record.msg`.
        rendered: True if *template* had no arguments: then values are likely to stand in it, and
            what varies is taken out.
    """
    said = normalise(template) if rendered else template
    return (f"{LOGGER}{_lasting(plain.of_main(logger_name))}", f"{_MESSAGE}{said}")


def is_wordless(template: str) -> bool:
    """Whether *template* says nothing before its arguments are put in.

    >>> is_wordless("[%(name)s] %s: %.2f"), is_wordless("no %s")
    (True, False)
    """
    return _WORDLESS.fullmatch(template) is not None


def normalise(message: str) -> str:
    """The first line of *message* with what varies taken out.

    >>> normalise("user 8123 not found at 0x7f00aa")
    'user <n> not found at <n>'
    >>> normalise("no copy of d41d8cd98f00b204 in /tmp/tmp8tu75q1x for bob@shop.example, name='bob', rows [1, 2]")
    'no copy of <n> in /tmp/<n> for <n>, name=<n>, rows [<n>]'
    """
    line = message[:2048].partition("\n")[0]
    if "@" in line:
        line = _ADDRESS.sub("<n>", line)
    if "tmp" in line:
        line = _TEMPORARY.sub("<n>", line)
    if "'" in line or '"' in line or "?" in line:
        line = _VALUE.sub("<n>", line)
    line = _NUMBER.sub("<n>", line)
    *before, rest = _SEVERAL.split(line)
    # What such a word begins with goes as well.
    line = "".join([f"{text.rstrip(ascii_letters)}<n>" for text in before]) + rest
    line = _BEHIND.sub("<n>", line)
    # However many of them there are.
    return _LIST.sub("<n>", line) if ", <n>" in line else line


def _leaves(exceptions: Sequence[ExceptionDetail]) -> list[int]:
    """The members of the group that was raised, and of the groups in it; empty if it was no group."""
    if not exceptions or not _is_group(exceptions[0]):
        return []
    return [
        index
        for index, exception in enumerate(exceptions)
        if exception.relation == "member" and not _is_group(exception)
    ]


def _is_group(exception: ExceptionDetail) -> bool:
    return "BaseExceptionGroup" in exception.bases


def _of_exception(exception: ExceptionDetail, *, alone: bool = True) -> Iterator[str]:
    named = _lasting(exception.qualified_type)
    yield named if exception.relation == "raised" else f"{exception.relation} {named}"
    frames: Sequence[Frame] = own_calls(exception.frames)
    if not frames and alone:
        frames = exception.frames
    previous: Frame | None = None
    for frame in frames:
        # A recursion ten deep is the error of a recursion a thousand deep.
        if frame != previous:
            # A template's module is its path.
            yield f"{_lasting(frame.module.rpartition('/')[2])}.{frame.function}: {frame.source}"
        previous = frame


def _lasting(name: str) -> str:
    """The *name* of a module, or of what is in one, without what is another for each release or machine.

    >>> _lasting("prefix_d41d8cd98f00b204e9800998ecf8427e_cart.PriceError")
    'prefix_<n>_cart.PriceError'
    """
    return _DIGEST.sub("<n>", name) if len(name) >= _SHORTEST_DIGEST else name
