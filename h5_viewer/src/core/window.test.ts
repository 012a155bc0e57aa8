import { expect, test } from "vitest";
import { dragged, remapTable } from "./window";

function render(x: number, [c, w]: readonly [number, number]): number {
  return Math.round(255 * Math.min(1, Math.max(0, (x - (c - 0.5)) / (w - 1) + 0.5)));
}

test("the same window changes nothing", () => {
  expect([...remapTable([40, 400], [40, 400], false)]).toEqual(Array.from({ length: 256 }, (_, v) => v));
  expect([...remapTable([40, 400], [40, 400], true)]).toEqual(Array.from({ length: 256 }, (_, v) => v));
});

test("approximates the linear function of PS3.3 C.11.2.1.2 within what 8 bits know", () => {
  const table = remapTable([40, 1000], [100, 400], false);
  for (let x = -90; x < 290; x += 7) {
    const from = render(x, [40, 1000]);
    expect(Math.abs((table[from] ?? 0) - render(x, [100, 400]))).toBeLessThanOrEqual(2);
  }
});

test("reversed polarity mirrors the table", () => {
  const plain = remapTable([40, 1000], [100, 400], false);
  const reversed = remapTable([40, 1000], [100, 400], true);
  for (let v = 0; v < 256; v += 1) expect(reversed[255 - v]).toBe(255 - (plain[v] ?? 0));
});

test("a drag is proportional to the width; right widens, up brightens", () => {
  expect(dragged([40, 400], 32, 0)).toEqual([40, 440]);
  expect(dragged([40, 400], 0, -32)).toEqual([0, 400]);
  expect(dragged([40, 400], -9999, 0)[1]).toBe(1);
});

test("windows are whole where wide, fine where narrow", () => {
  expect(dragged([40.4, 399.6], 3, 5)).toEqual([47, 403]);
  expect(dragged([1.5, 6], 16, -16)).toEqual([1.2, 6.3]);
  expect(dragged([0.5, 1], -999, 0)).toEqual([0.5, 0.01]);
});
