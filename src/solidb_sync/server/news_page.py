"""The page that a ring of the doorbell carries: what a device that had everything before would be answered if it asked.

It saves every listener the way there and back. It is made once for all of them, so it leaves nothing out: no echoes, no
collections. A device for which that is not the right page does not use it, and asks.
"""

from __future__ import annotations

from solidb_sync.clock import iso_text
from solidb_sync.json_value import encode
from solidb_sync.protocol.messages import SentAnswer, SyncAnswer
from solidb_sync.server.collect_changes import PullQuery, collect_changes
from solidb_sync.server.live.doorbell import News
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import Echo

NEWS_ENTRIES_MAX = 32
NEWS_BYTES_MAX = 16 * 1024
_NOBODY = Echo("", 0)


def news_page(session: ReadSession, since: int, now_ms: int) -> News:
    """Return the news after a sequence, with its page when that is short."""
    query = PullQuery(cursor=since, limit=NEWS_ENTRIES_MAX, collections=None, echo=_NOBODY, since=since)
    page = collect_changes(session, query)
    news = News(page.target_seq)
    if page.has_more or session.resets_after(since):
        return news
    head = session.head()
    answer: SentAnswer = SyncAnswer(
        server_version={**page.authors, "server": page.cursor},
        server_changes=page.changes,
        cursor=page.cursor,
        target_seq=page.target_seq,
        epoch=head.epoch,
        run=head.run,
        server_time=iso_text(now_ms),
    )
    text = encode(answer)
    return news if len(text) > NEWS_BYTES_MAX else News(page.cursor, since, text)
