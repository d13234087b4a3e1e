"""When documents were last read: held in memory, written now and then, so that no read writes.

The `REMEMBERED_MAX` documents read last are remembered; of any other, the time of its last change stands for it. A process
that dies loses what was read since the last writing: that makes an eviction choose a little worse, and nothing else.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from msgspec import json

from solidb_sync.storage.engine import EngineReader, StorageEngine

REMEMBERED_MAX = 10_000
SETTING = "read_times"
Place = tuple[str, str]

_entries = json.Decoder(list[tuple[str, str, int]])


class ReadTimes:
    """The documents read last; safe to use from several threads."""

    def __init__(self) -> None:
        self._times: OrderedDict[Place, int] = OrderedDict()
        self._lock = threading.Lock()
        self._has_news = False

    def note(self, collection: str, key: str, now_ms: int) -> None:
        """Remember that a document was read; costs no more than a look into a dictionary."""
        place = (collection, key)
        with self._lock:
            self._times[place] = now_ms
            self._times.move_to_end(place)
            self._has_news = True
            if len(self._times) > REMEMBERED_MAX:
                self._times.popitem(last=False)

    def known(self, reader: EngineReader) -> dict[Place, int]:
        """Return when documents were last read, by this process or by an earlier one."""
        text = reader.setting(SETTING)
        earlier = {(collection, key): at for collection, key, at in _entries.decode(text)} if text else {}
        with self._lock:
            return {**earlier, **self._times}

    def write(self, engine: StorageEngine) -> None:
        """Write what is remembered, if anything has been read since the last time."""
        if not self._has_news:
            return
        latest = sorted(self.known(engine).items(), key=lambda entry: entry[1])[-REMEMBERED_MAX:]
        with self._lock:
            self._has_news = False
        entries = [(collection, key, at) for (collection, key), at in latest]
        engine.put_setting(SETTING, json.encode(entries).decode())
