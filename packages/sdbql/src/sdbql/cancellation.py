"""Stopping a query from another thread.

The thread that runs the query looks at `is_cancelled` every few thousand steps and raises
`QueryCancelledError`. What cannot look, such as a database in the middle of a statement, is
interrupted by a callback.
"""

import threading
from collections.abc import Callable


class Cancellation:
    """A switch that can be thrown once, from any thread, for all queries it was given to.

    >>> cancellation = Cancellation()
    >>> cancellation.cancel()
    >>> cancellation.is_cancelled
    True
    """

    def __init__(self) -> None:
        self.is_cancelled = False
        self._lock = threading.RLock()
        self._callbacks: dict[object, Callable[[], object]] = {}

    def cancel(self) -> None:
        """Stop the queries; returns when every callback has been called. Harmless to repeat."""
        with self._lock:
            self.is_cancelled = True
            while self._callbacks:
                self._callbacks.pop(next(iter(self._callbacks)))()

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have `callback` called once on `cancel`, in its thread, or at once if that was before.

        Returns a function that forgets the callback. When that function has returned, the
        callback neither runs nor will run, so what it interrupts may be used for other things.
        """
        token = object()

        def forget() -> None:
            with self._lock:
                self._callbacks.pop(token, None)

        with self._lock:
            if self.is_cancelled:
                callback()
            else:
                self._callbacks[token] = callback
        return forget
