"""`llama-logging completion`: what a shell offers when Tab is pressed, from the parser itself."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

HELP = "print a completion script for bash, zsh or fish"
EPILOG = "Example: llama-logging completion bash > ~/.local/share/bash-completion/completions/llama-logging"


@dataclass(frozen=True, slots=True)
class Word:
    """What may be typed.

    Attributes:
        path: The commands before it.
        text: A command, an option, or a choice.
        told: What it is, in one line.
        after: The option whose value it is; empty for none.
    """

    path: tuple[str, ...]
    text: str
    told: str = ""
    after: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def execute(args: argparse.Namespace) -> int:
    """Print it."""
    from llama_logging.cli.main import parser  # here: it imports this

    found = list(words(parser()))
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](found), end="")
    return 0


def words(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Word]:
    """All that may be typed behind the program's name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield Word(path, name, told.get(name, ""))
                yield from words(command, (*path, name))
            continue
        for option in action.option_strings:
            yield Word(path, option, " ".join((action.help or "").replace("%%", "%").split()))
            yield from (Word(path, str(choice), after=option) for choice in action.choices or ())
        if not action.option_strings:
            yield from (Word(path, str(choice)) for choice in action.choices or ())


_BASH = """\
# {shell} completion of llama-logging
{begin}_llama_logging() {{
  local word known="" choices=""
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD-1))}}"; do
    case " {paths} " in *" ${{known:+$known/}}$word "*) known="${{known:+$known/}}$word" ;; esac
  done
  case "$known:$previous" in
{values}
    *) case "$known" in
{commands}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$current"))
}}
complete -o default -F _llama_logging llama-logging
"""


def _bash(found: list[Word], shell: str = "bash", begin: str = "") -> str:
    commands: dict[str, list[str]] = {}
    values: dict[str, list[str]] = {}
    for word in found:
        path = "/".join(word.path)
        table, key = (values, f"{path}:{word.after}") if word.after else (commands, path)
        table.setdefault(key, []).append(word.text)
    return _BASH.format(
        shell=shell,
        begin=begin,
        paths=" ".join(filter(None, commands)),
        values="\n".join(_cases(values)),
        commands="\n".join(_cases(commands)),
    )


def _cases(table: dict[str, list[str]]) -> Iterator[str]:
    for key, texts in table.items():
        yield f"    {shlex.quote(key)}) choices={shlex.quote(' '.join(texts))} ;;"


def _zsh(found: list[Word]) -> str:
    return _bash(found, "zsh", "autoload -U +X bashcompinit && bashcompinit\n")


def _fish(found: list[Word]) -> str:
    lines = ["# fish completion of llama-logging", "complete -c llama-logging -f"]
    for word in found:
        when = "; and ".join(f"__fish_seen_subcommand_from {command}" for command in word.path)
        if not word.path and not word.text.startswith("-"):
            when = "__fish_use_subcommand"
        condition = f" -n {shlex.quote(when)}" if when else ""
        option = word.after or (word.text if word.text.startswith("-") else "")
        flag = f" -{'l' if option.startswith('--') else 's'} {option.lstrip('-')}" if option else ""
        choice = f" -x -a {shlex.quote(word.text)}" if word.after or not option else ""
        told = f" -d {shlex.quote(word.told)}" if word.told else ""
        lines.append(f"complete -c llama-logging{condition}{flag}{choice}{told}")
    return "\n".join(lines) + "\n"
