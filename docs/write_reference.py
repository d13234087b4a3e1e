"""Writes the pages under `docs/sdbql` that are made from the tables in the code: `make reference`.

Run it after a change of a builtin, an operator, a bound or an error; a test fails until then.
"""

from pathlib import Path

from sdbql.reference.function_pages import function_pages
from sdbql.reference.tables import filled

PAGES = Path(__file__).parent / "sdbql"


def main() -> None:
    """Write every page that is not as it should be, and remove those that nothing makes any more."""
    made = {PAGES / "functions" / name: text for name, text in function_pages().items()}
    for path in set((PAGES / "functions").glob("*.md")) - set(made):
        path.unlink()
    written = {path: filled(path.read_text(encoding="utf-8")) for path in PAGES.rglob("*.md") if path not in made}
    for path, text in {**made, **written}.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
