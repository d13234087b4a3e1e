-- Each start of a server over this file is a run, with the newest sequence there was then. A device says in which run it got
-- what it holds. A run that is not here, or that ended before the sequence the device has reached, was in a file that went
-- back in time: a backup was put in its place.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    first_seq INTEGER NOT NULL
) STRICT;

-- The present run, and the floor: tombstones at or below this sequence are gone, so no cursor below it can be served.
ALTER TABLE meta ADD COLUMN run TEXT NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN gc_floor INTEGER NOT NULL DEFAULT 0;

-- The highest counter of an actor that a document offered by some device includes; highest counts what the actor sent itself.
ALTER TABLE actors ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
