"""`SyncManager` without `await`: for scripts, notebooks, web views and windows. See docs/blocking.md."""

from solidb_sync.blocking.attachment_reader import AttachmentReader
from solidb_sync.blocking.command_sender import CommandSender
from solidb_sync.blocking.event_iterator import EventIterator
from solidb_sync.blocking.sync_manager import SyncManager
from solidb_sync.blocking.sync_manager import SyncManager as OfflineSyncManager
from solidb_sync.blocking.transaction import Transaction

__all__ = ["AttachmentReader", "CommandSender", "EventIterator", "OfflineSyncManager", "SyncManager", "Transaction"]
