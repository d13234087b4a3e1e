-- Which documents lack something that a client wrote: asked for when that client edits on top of its own edits.
CREATE INDEX overruled_conflict ON conflict_log (client_id, seq) WHERE winner <> 'local';
