"""A terminal with history, completion and editing of several lines: the only module that needs `prompt_toolkit`."""

from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from sdbql.shell.completeness import needs_more
from sdbql.shell.completion import KnownNames, candidates, word_before
from sdbql.shell.line_reader import CONTINUED, PROMPT


class TerminalReader:
    """Implements `sdbql.shell.line_reader.Reader`: Enter submits what is whole and breaks the line in what is not."""

    def __init__(self, names: Callable[[], KnownNames], history_file: Path | None) -> None:
        history: History = InMemoryHistory() if history_file is None else FileHistory(str(history_file))
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            history=history,
            completer=NameCompleter(names),
            complete_while_typing=False,
            multiline=True,
            prompt_continuation=CONTINUED,
            key_bindings=_keys(),
        )

    def read(self) -> str:
        """Return the next query or command."""
        return self._session.prompt()


class NameCompleter(Completer):
    """Offers what `completion.candidates` finds."""

    def __init__(self, names: Callable[[], KnownNames]) -> None:
        self._names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield the candidates, each in place of the word before the cursor."""
        word = word_before(document.text_before_cursor)
        for name in candidates(document.text, document.cursor_position, self._names()):
            yield Completion(name, start_position=-len(word))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _submit_or_break(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if needs_more(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _break(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
