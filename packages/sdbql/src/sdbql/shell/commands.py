"""The commands of the shell: what is no query begins with a dot."""

from dataclasses import dataclass

COMMAND_SIGN = "."
QUERY_COMMANDS = ("explain",)
"""Those that are followed by a query, which may go on over several lines."""
WORDS = {"help": "help", "quit": "quit", "exit": "quit"}
"""What people type first; none of them is a query."""
ALIASES = {"exit": "quit", "q": "quit", "h": "help", "?": "help"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, what follows it, and what it does in a few words."""

    name: str
    argument: str
    does: str


COMMANDS = (
    Command("help", "", "show this"),
    Command("collections", "", "list the collections"),
    Command("fields", "COLLECTION", "list the attributes that some of its documents have"),
    Command("explain", "QUERY", "show the steps of a query and do not run it"),
    Command("bind", "[NAME=VALUE]", "give a bind parameter a value, such as: .bind min=18; or list them"),
    Command("json", "[on|off]", "print a row as a line of JSON, or rows as a table"),
    Command("quit", "", "leave; so does Ctrl-D"),
)


def command_in(text: str) -> tuple[str, str] | None:
    """Return the name and the argument of the command that a text is, None when it is a query.

    >>> command_in(".bind min=18"), command_in("exit"), command_in("RETURN 1")
    (('bind', 'min=18'), ('quit', ''), None)
    """
    bare = text.strip()
    if bare.lower() in WORDS:
        return WORDS[bare.lower()], ""
    if not bare.startswith(COMMAND_SIGN):
        return None
    name, *rest = bare[1:].split(maxsplit=1)[:2] or [""]
    return ALIASES.get(name.lower(), name.lower()), rest[0] if rest else ""


def help_lines() -> list[str]:
    """Return what there is to know, in a few lines."""
    shown = [f"{COMMAND_SIGN}{command.name} {command.argument}".rstrip() for command in COMMANDS]
    width = max(len(text) for text in shown)
    return [
        "A query runs when it is whole; until then it goes on in the next line. `;` or an empty line ends it as it is.",
        "Ctrl-C stops a running query, or forgets what was typed.",
        *[f"  {text:<{width}}  {command.does}" for text, command in zip(shown, COMMANDS, strict=True)],
    ]
