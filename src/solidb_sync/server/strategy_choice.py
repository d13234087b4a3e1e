"""Which strategy decides a conflict: the policy of the collection if there is one, else what the client has asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.reconcile.strategy import Strategy
from solidb_sync.server.client_settings import settings_of
from solidb_sync.server.storage.backend import ReadSession


@dataclass(frozen=True, slots=True)
class StrategyChoice:
    """The policies of a database and the settings of one client."""

    policies: Mapping[str, str]
    settings: ClientSettings

    @classmethod
    def of(cls, session: ReadSession, client_id: str, settings_hash: str | None = None) -> StrategyChoice:
        """Read what holds for a client by the settings of this hash, or those it registered last."""
        return cls(session.policies(), settings_of(session, client_id, settings_hash))

    def of_collection(self, collection: str) -> Strategy:
        """Return the strategy for a collection."""
        asked = self.settings.strategies.get(collection, self.settings.default_strategy)
        return Strategy(self.policies.get(collection, asked))

    def goes_by_stamps(self, collections: Iterable[str]) -> bool:
        """Return whether the edits of any of these collections are stamped, by the server where their author has not."""
        return any(self.of_collection(collection) is Strategy.LAST_STAMP_WINS for collection in collections)
