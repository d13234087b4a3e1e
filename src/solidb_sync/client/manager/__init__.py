"""The facets of `SyncManager`: one file for each subject."""
