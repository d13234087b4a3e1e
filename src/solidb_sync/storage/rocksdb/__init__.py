"""The RocksDB engine of the local store; needs the extra `rocksdb`."""
