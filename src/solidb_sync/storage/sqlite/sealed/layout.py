"""Where the pages of a sealed database are in its file.

The file begins with one block that holds the store's header (`store_header`); page n of the database is block n+1. One
block is left out: SQLite locks a range of bytes at 1 GiB, which on some systems can be neither read nor written meanwhile.
In a file of SQLite's own that range lies in a page that is never used. Here another page would come to lie there, so it
takes the block of the page that is never used.

    >>> block_of_page(0), block_of_page(LOCK_BLOCK - 1), block_of_page(LOCK_BLOCK + 1)
    (1, 131073, 131074)
"""

from __future__ import annotations

PAGE_BYTES = 8192
"""Of every sealed store: fewer and larger pages cost less to seal than SQLite's usual 4096 bytes."""

RESERVED_BYTES = 32
"""At the end of each page, kept free by SQLite for the seal."""

LOCK_BLOCK = 0x4000_0000 // PAGE_BYTES
"""The block that holds SQLite's lock bytes; also the number of the page that SQLite never uses."""


def block_of_page(page: int) -> int:
    """Return the block of a page, both counted from 0."""
    return page + 1 if page != LOCK_BLOCK - 1 else LOCK_BLOCK + 1


def blocks_of_pages(pages: int) -> int:
    """Return how many blocks a file of so many pages has."""
    return pages + 1 if pages not in (LOCK_BLOCK, LOCK_BLOCK + 1) else LOCK_BLOCK + 2


def pages_of_blocks(blocks: int) -> int:
    """Return how many pages a file of so many blocks has."""
    if blocks in (LOCK_BLOCK + 1, LOCK_BLOCK + 2):
        return LOCK_BLOCK
    return max(0, blocks - 1)
