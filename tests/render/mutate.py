"""Seeded damage to real files, and the child process that opens what came of it.

Run as `python -m tests.render.mutate FIRST COUNT`: it reads file paths from standard input, one a line, and
writes one line of JSON per case, flushed, so that whoever reads knows the case at which it died.
"""

import json
import random
import sys
import time
import warnings
from pathlib import Path

import render

LIMITS = render.Limits(max_pixels=4_000_000, max_frames=1000, max_frame_bytes=1 << 25)
FRAMES = 3


def peak_kib() -> int:
    """The most memory that this process had, KiB. `getrusage` would count what the parent had when it started this one."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 4, 32))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def overwrite(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    size = chance.choice((1, 2, 4, 64))
    filler = chance.choice((b"\xff", b"\x00", b"\x7f", chance.randbytes(1)))
    data[start : start + size] = filler * min(size, len(data) - start)


def truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def cut_out(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 7, 300))]


def repeat(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    data[start:start] = data[start : start + chance.choice((1, 9, 500))]


def codestream_header(data: bytearray, chance: random.Random) -> None:
    """Damage within the first bytes of a codestream, where sizes and tables are."""
    starts = [at for mark in (b"\xff\xd8\xff", b"\xff\x4f\xff\x51") if (at := data.find(mark)) >= 0]
    start = chance.choice(starts) if starts else max(0, len(data) - 4000)
    for _ in range(chance.choice((1, 2, 6))):
        data[min(start + chance.randrange(160), len(data) - 1)] = chance.randrange(256)


def image_attributes(data: bytearray, chance: random.Random) -> None:
    """Another value in an attribute of group 0028."""
    at = data.find(b"\x28\x00", chance.randrange(max(1, len(data) // 2)))
    if at >= 0:
        data[at + 8 : at + 10] = chance.choice((b"\0\0", b"\xff\xff", b"\x01\0", b"\0\x80", chance.randbytes(2)))


KINDS = (flip_bits, overwrite, truncate, cut_out, repeat, codestream_header, codestream_header, image_attributes)


def damaged(paths: list[Path], case: int) -> bytes:
    chance = random.Random(case)
    data = bytearray(paths[case % len(paths)].read_bytes())
    for _ in range(chance.choice((1, 1, 2))):
        if data:
            chance.choice(KINDS)(data, chance)
    return bytes(data)


def outcome(source: bytes) -> str:
    """Name of what came of opening and showing the first frames; "shown" where it worked."""
    try:
        image = render.open_image(source, LIMITS)
        for frame in range(min(FRAMES, image.frame_count)):
            stored = image.decode(frame)
            transform = image.transform(frame)
            image.geometry(frame)
            render.window_pixels(stored, transform, render.default_window(image, stored))
    except render.RenderError as error:
        return error.code
    except BaseException as error:
        return f"escaped: {type(error).__name__}: {error}"[:300]
    return "shown"


def tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    warnings.simplefilter("ignore")
    first, count = int(sys.argv[1]), int(sys.argv[2])
    paths = [Path(line.strip()) for line in sys.stdin if line.strip()]
    for case in range(first, first + count):
        source = damaged(paths, case)
        tell({"case": case})
        began = time.process_time()
        result = outcome(source)
        spent = {"seconds": time.process_time() - began, "rss": peak_kib()}
        tell({"case": case, "outcome": result} | spent)


if __name__ == "__main__":
    main()
