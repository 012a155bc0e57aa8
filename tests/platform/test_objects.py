"""The object store, the same behaviour in a local folder and on a real S3 protocol server."""

from __future__ import annotations

import asyncio
import hashlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.platform.clock import ManualClock, SystemClock
from backend.platform.errors import StorageFull, StorageUnavailable
from backend.platform.objects import ObjectInfo, ObjectMissing, ObjectStore, addressed_key
from backend.platform.objects_local import LocalObjects
from backend.platform.objects_s3 import S3Objects, S3Options
from tests.fixtures_platform import S3Server

MIB = 1 << 20


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
        await asyncio.sleep(0)


async def breaking(data: bytes) -> AsyncIterator[bytes]:
    yield data
    raise ConnectionResetError("the sender went away")


async def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return sorted([info.key async for info in store.list(prefix)])


async def test_what_is_put_comes_back(any_store: ObjectStore):
    data = noise(3 * MIB + 17)
    digest = hashlib.sha256(data).hexdigest()
    assert await any_store.put("stream/v1/a/b", pieces(data)) == ObjectInfo("stream/v1/a/b", len(data), digest)
    assert await any_store.get("stream/v1/a/b") == data
    assert await asyncio.to_thread(any_store.get_sync, "stream/v1/a/b") == data
    assert b"".join([piece async for piece in any_store.stream("stream/v1/a/b")]) == data
    assert await any_store.head("stream/v1/a/b") == ObjectInfo("stream/v1/a/b", len(data))
    assert (await any_store.put("stream/v1/a/b", b"new")).size == 3
    assert await any_store.get("stream/v1/a/b") == b"new"
    assert await any_store.put("empty", b"") == ObjectInfo("empty", 0, hashlib.sha256(b"").hexdigest())
    assert await any_store.get("empty") == b""


async def test_ranges(any_store: ObjectStore):
    data = noise(2 * MIB)
    await any_store.put("a", data)
    spans = [(0, 1), (100, 5000), (MIB - 3, MIB + 3), (0, 2 * MIB), (2 * MIB - 1, 2 * MIB)]
    assert await any_store.ranges("a", spans) == [data[start:end] for start, end in spans]
    assert await any_store.range("a", 2 * MIB - 10, 3 * MIB) == data[-10:]
    assert await any_store.range("a", 3 * MIB, 4 * MIB) == b""


async def test_what_is_not_there_is_said(any_store: ObjectStore):
    for read in (any_store.get("no/such"), any_store.range("no/such", 0, 1), any_store.head("no/such")):
        with pytest.raises(ObjectMissing):
            await read
    with pytest.raises(ObjectMissing):
        [piece async for piece in any_store.stream("no/such")]
    assert not await any_store.exists("no/such")
    await any_store.delete("no/such")


async def test_listing_and_deleting(any_store: ObjectStore):
    for key in ("a/1", "a/2", "a/deep/3", "ab/4"):
        await any_store.put(key, key.encode())
    assert await keys(any_store, "a") == ["a/1", "a/2", "a/deep/3"]
    assert await keys(any_store) == ["a/1", "a/2", "a/deep/3", "ab/4"]
    await any_store.delete("a/2")
    assert await keys(any_store, "a") == ["a/1", "a/deep/3"]
    assert await keys(any_store, "none") == []
    await any_store.check_health()
    assert len(await keys(any_store)) == 3


@pytest.mark.parametrize("size", [0, 1000, 8 * MIB, 9 * MIB])
async def test_the_same_bytes_are_stored_once(any_store: ObjectStore, size: int):
    data = noise(size)
    digest = hashlib.sha256(data).hexdigest()
    key = addressed_key("original", digest)
    assert await any_store.put_addressed("original", pieces(data)) == ObjectInfo(key, size, digest)
    again = await asyncio.to_thread(any_store.put_addressed_sync, "original", [data[:500], data[500:]])
    assert again == ObjectInfo(key, size, digest, existed=True)
    assert (await any_store.put_addressed("original", data)).existed
    assert await keys(any_store) == [key]
    assert await any_store.get(key) == data


async def test_concurrent_puts_of_the_same_bytes_leave_one_whole_object(any_store: ObjectStore):
    data = noise(9 * MIB)
    infos = await asyncio.gather(*[any_store.put_addressed("original", pieces(data)) for _ in range(6)])
    assert len({info.key for info in infos}) == 1
    assert await keys(any_store) == [infos[0].key]
    assert await any_store.get(infos[0].key) == data


async def test_concurrent_puts_of_one_key_leave_one_of_them_whole(any_store: ObjectStore):
    bodies = [noise(MIB + n, n) for n in range(8)]
    await asyncio.gather(*[any_store.put("a", pieces(body)) for body in bodies])
    assert await any_store.get("a") in bodies


async def test_a_large_object_in_many_parts(any_store: ObjectStore):
    block = noise(4 * MIB)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield block

    digest = hashlib.sha256(block * 17).hexdigest()
    info = await any_store.put_addressed("original", large())
    assert (info.size, info.sha256) == (68 * MIB, digest)
    found = hashlib.sha256()
    async for piece in any_store.stream(info.key):
        found.update(piece)
    assert found.hexdigest() == digest
    assert await any_store.range(info.key, 64 * MIB - 5, 64 * MIB + 5) == block[-5:] + block[:5]
    assert await keys(any_store) == [info.key]


@pytest.mark.parametrize("size", [1000, 20 * MIB])
async def test_a_broken_transfer_leaves_nothing(any_store: ObjectStore, size: int):
    await any_store.put("a", b"before")
    with pytest.raises(ConnectionResetError):
        await any_store.put("a", breaking(noise(size)))
    with pytest.raises(ConnectionResetError):
        await any_store.put_addressed("original", breaking(noise(size)))

    def broken_sync():
        yield noise(size)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(any_store.put_addressed_sync, "original", broken_sync())
    assert await keys(any_store) == ["a"]
    assert await any_store.get("a") == b"before"


@pytest.mark.parametrize("key", ["", "/a", "a/", "../a", "a/../b", "a//b", ".a", "a b", "tmp/x", "a" * 600, "a/\n"])
async def test_keys_that_could_leave_the_store_are_refused(any_store: ObjectStore, key: str):
    for call in (any_store.put(key, b""), any_store.get(key), any_store.delete(key)):
        with pytest.raises(ValueError, match="not an object key"):
            await call


async def test_pictures_written_by_threads_of_the_node(object_store: LocalObjects):
    bodies = [noise(300_000, n % 10) for n in range(40)]
    threads = [threading.Thread(target=object_store.put_addressed_sync, args=("original", [b])) for b in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert len(await keys(object_store)) == 10


async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    full = LocalObjects(tmp_path, reserve_bytes=1 << 60)
    for put in (full.put("a", b"x"), full.put_addressed("a", pieces(b"x"))):
        with pytest.raises(StorageFull):
            await put
    with pytest.raises(StorageFull):
        full.put_addressed_sync("a", [b"x"])
    assert await keys(full) == []
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_folder_that_vanished_is_no_missing_object(tmp_path):
    store = LocalObjects(tmp_path / "mount")
    await store.put("a", b"x")
    (tmp_path / "mount").rename(tmp_path / "gone")
    for call in (store.get("a"), store.put("b", b"x"), store.check_health()):
        with pytest.raises(StorageUnavailable):
            await call
    (tmp_path / "gone").rename(tmp_path / "mount")
    assert await store.get("a") == b"x"


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)


async def test_leftovers_of_a_killed_process_are_cleaned_and_living_uploads_spared(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from backend.platform.objects_local import LocalObjects\n"
        "def body():\n yield b'x' * 100000\n print('written', flush=True)\n time.sleep(600)\n"
        "LocalObjects(Path(sys.argv[1])).put_addressed_sync('original', body())\n"
    )
    process = start(program, str(tmp_path))
    assert process.stdout
    process.stdout.readline()
    store = LocalObjects(tmp_path)
    assert await store.clean() == 0
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    assert await keys(store) == []
    assert await store.clean() == 1
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_an_upload_survives_a_cleaning_at_the_same_time(object_store: LocalObjects):
    async def clean() -> None:
        while True:
            await object_store.clean()

    cleaning = asyncio.create_task(clean())
    data = noise(200_000)
    infos = await asyncio.gather(*[object_store.put(f"k{n}", pieces(data, 1000)) for n in range(60)])
    cleaning.cancel()
    assert len(infos) == len(await keys(object_store)) == 60


async def test_stored_means_synced_before_it_is_visible(tmp_path):
    """The order of system calls: write, fsync of the file, rename, fsync of the folder."""
    program = (
        "import sys; from pathlib import Path; from backend.platform.objects_local import LocalObjects\n"
        "LocalObjects(Path(sys.argv[1])).put_addressed_sync('original', [b'x' * 100000])\n"
    )
    hooked = (
        "import os, sys\ncalls = []\n"
        "def hook(event, args):\n"
        "    if event == 'os.rename': print('rename', args[1], flush=True)\n"
        "sys.addaudithook(hook)\n"
        "real = os.fsync\n"
        "def fsync(fd):\n"
        "    print('fsync', os.readlink(f'/proc/self/fd/{fd}'), flush=True); real(fd)\n"
        "os.fsync = fsync\n"
    )
    output, _ = start(hooked + program, str(tmp_path)).communicate(timeout=30)
    lines = output.splitlines()
    renamed = next(n for n, line in enumerate(lines) if line.startswith("rename"))
    assert any(line.startswith(f"fsync {tmp_path}/tmp/") for line in lines[:renamed])
    assert lines[-1] == f"fsync {Path(lines[renamed].split()[1]).parent}"


async def test_a_dead_s3_server_is_said_within_seconds():
    server = S3Server()
    store = S3Objects(server.new_bucket())
    await store.put("a", b"x")
    server.kill()
    start = time.monotonic()
    for call in (store.get("a"), store.put("b", b"y"), store.put("b", pieces(noise(20 * MIB))), store.head("a")):
        with pytest.raises(StorageUnavailable):
            await call
    assert time.monotonic() - start < 60


async def test_an_s3_server_that_dies_in_the_middle_of_an_upload():
    server = S3Server()
    store = S3Objects(server.new_bucket())

    async def body() -> AsyncIterator[bytes]:
        for n in range(6):
            yield noise(8 * MIB)
            if n == 2:
                server.kill()

    with pytest.raises(StorageUnavailable):
        await store.put_addressed("original", body())


def test_a_location_names_bucket_and_prefix():
    assert S3Options.at("s3://yunying/prod/a/", region="cn") == S3Options("yunying", "prod/a", region="cn")
    assert S3Options.at("s3://yunying") == S3Options("yunying")


async def test_stale_temporary_objects_in_a_bucket_are_removed(s3_server: S3Server):
    clock = ManualClock(SystemClock().now())
    store = S3Objects(s3_server.new_bucket(), clock)
    await store._put("tmp/left", b"x")
    assert await keys(store) == []
    assert await store.clean() == 0
    clock.advance(hours=25)
    assert await store.clean() == 1
