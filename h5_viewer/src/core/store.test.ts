import { describe, expect, test } from "vitest";
import { cellRect, picture, PictureStore, ranges, type Picture } from "./store";
import type { FrameHeader, SheetHeader, Window } from "./protocol";

interface Bitmap {
  closed: boolean;
}
const close = (bitmap: Bitmap): void => {
  expect(bitmap.closed).toBe(false);
  bitmap.closed = true;
};

function frame(f: number, options: Partial<FrameHeader> & { bytes?: number } = {}): Picture<Bitmap> {
  const { bytes = 100, ...rest } = options;
  const header: FrameHeader = {
    k: "frame",
    seq: 1,
    s: 0,
    f,
    win: [40, 400],
    auto: true,
    size: [10, 10],
    full: [10, 10],
    fmt: "jpeg",
    lossless: false,
    ...rest,
  };
  return picture<Bitmap>(header, new Uint8Array(bytes));
}

function sheet(frames: number[], win: Window = [40, 400], auto = true): Picture<Bitmap> {
  const header: SheetHeader = { k: "sheet", s: 0, win, auto, frames, cols: 4, cell: [8, 6], fmt: "jpeg" };
  return picture<Bitmap>(header, new Uint8Array(50));
}

describe("PictureStore", () => {
  test("keeps both bounds whatever happens, and closes each bitmap once", () => {
    const store = new PictureStore<Bitmap>(close, 3000, 4000);
    const alive = new Set<Bitmap>();
    let random = 12345;
    const dice = (n: number): number => {
      random = (random * 1103515245 + 12345) & 0x7fffffff;
      return random % n;
    };
    for (let step = 0; step < 4000; step += 1) {
      const f = dice(40);
      const act = dice(10);
      if (act < 5)
        store.put(frame(f, { seq: step, bytes: 1 + dice(400), win: [dice(3), 400], lossless: dice(2) === 1 }));
      else if (act === 5) store.put(sheet([f, f + 1, f + 2], [dice(2), 400]));
      else if (act < 9) {
        const owner = store.of(0, f)[0];
        const bitmap = { closed: false };
        alive.add(bitmap);
        if (owner) store.keepBitmap(owner, bitmap);
        else close(bitmap);
      } else if (dice(50) === 0) store.clear();
      const held = new Set(Array.from({ length: 43 }, (_, k) => store.of(0, k)).flat());
      expect(store.encoded).toBe([...held].reduce((sum, p) => sum + p.bytes.byteLength, 0));
      expect(store.encoded).toBeLessThanOrEqual(3000);
      expect(store.decoded).toBeLessThanOrEqual(4000);
      for (const p of held) expect(p.bitmap?.closed ?? false).toBe(false);
      const open = [...alive].filter((bitmap) => !bitmap.closed).length;
      expect(open).toBe([...held].filter((p) => p.bitmap).length);
    }
  });

  test("a lossless picture replaces the quick one, never the reverse", () => {
    const store = new PictureStore<Bitmap>(close);
    store.put(frame(3));
    store.put(frame(3, { lossless: true, fmt: "png", seq: 2 }));
    expect(store.of(0, 3).map((p) => p.lossless)).toEqual([true]);
    store.put(frame(3, { seq: 3 }));
    expect(store.of(0, 3).filter((p) => p.lossless)).toHaveLength(1);
  });

  test("of many windows of one frame the newest stay", () => {
    const store = new PictureStore<Bitmap>(close);
    for (const seq of [1, 2, 5, 3, 4]) store.put(frame(3, { seq, win: [seq, 100], auto: false }));
    expect(
      store
        .of(0, 3)
        .map((p) => p.seq)
        .sort(),
    ).toEqual([4, 5]);
  });

  test("tells a new socket what is held for this window", () => {
    const store = new PictureStore<Bitmap>(close);
    for (const f of [0, 1, 2, 5]) store.put(frame(f));
    store.put(frame(6, { lossless: true }));
    store.put(frame(9, { win: [1, 2], auto: false }));
    store.put(sheet([0, 1, 2, 3]));
    store.put(sheet([4, 5], [1, 2], false));
    expect(store.held(0, null, [10, 10], [10, 10])).toEqual({
      series: 0,
      window: null,
      fit: [10, 10],
      sheets: [[0, 3]],
      frames: [
        [0, 2],
        [5, 6],
      ],
      exact: [[6, 6]],
    });
    expect(store.covered(0, 10, null)).toBe(6);
  });

  test("a bitmap that arrives after its picture has gone is closed", () => {
    const store = new PictureStore<Bitmap>(close);
    const late = frame(1);
    store.put(late);
    store.clear();
    const bitmap = { closed: false };
    expect(store.keepBitmap(late, bitmap)).toBe(false);
    expect(bitmap.closed).toBe(true);
  });
});

test("cells of a sheet lie row by row", () => {
  expect(cellRect(sheet([7, 8, 9, 10, 11, 12]), 12)).toEqual([8, 6, 8, 6]);
});

test("ranges are inclusive and sorted", () => {
  expect(ranges([3, 1, 2, 9, 9])).toEqual([
    [1, 3],
    [9, 9],
  ]);
  expect(ranges([])).toEqual([]);
});
