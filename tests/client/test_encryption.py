"""The encryption of a manager's store, changed while the manager is in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_types import DeviceMaker
from solidb_sync import EncryptionError, LocalStore

pytestmark = pytest.mark.anyio
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])
async def test_a_manager_changes_its_stores_encryption_and_tells_how_far_it_is(
    device: DeviceMaker, tmp_path: Path, engine: str
) -> None:
    path = tmp_path / "phone.db"
    phone = device("phone", engine=engine, path=path)
    for number in range(50):
        await phone.save_document("notes", str(number), {"text": "z" * 400})
    for change, opens, opens_no_more in (
        (lambda told: phone.enable_encryption(KEY, progress=told), KEY, None),
        (lambda told: phone.rotate_encryption_key(OTHER, reencrypt=True, progress=told), OTHER, KEY),
        (lambda told: phone.disable_encryption(progress=told), None, OTHER),
    ):
        steps: list[tuple[int, int]] = []
        await change(lambda done, of, steps=steps: steps.append((done, of)))
        assert steps[0][0] == 0
        assert steps[-1][0] == steps[-1][1] > 0
        await phone.save_document("notes", "after", {"number": len(steps)})
        assert len(await phone.query_documents("notes")) == 51
        copy = tmp_path / f"copy{len(list(tmp_path.iterdir()))}.db"
        phone._store.backup(copy)
        with LocalStore.open(copy, "phone", engine=engine, encryption_key=opens) as store:
            assert store.get_document("notes", "0") is not None
        if opens_no_more is not None and opens is not None:
            with pytest.raises(EncryptionError):
                LocalStore.open(copy, "phone", engine=engine, encryption_key=opens_no_more)


async def test_what_can_not_be_changed_is_told_and_the_manager_goes_on(device: DeviceMaker, tmp_path: Path) -> None:
    phone = device("phone", engine="sqlite", path=tmp_path / "phone.db")
    for refused in (lambda: phone.rotate_encryption_key(KEY), phone.disable_encryption):
        with pytest.raises(EncryptionError):
            await refused()
    await phone.save_document("notes", "a", {})
    await phone.enable_encryption(KEY)
    with pytest.raises(EncryptionError):
        await phone.enable_encryption(KEY)
    await phone.save_document("notes", "b", {})
    assert len(await phone.query_documents("notes")) == 2
