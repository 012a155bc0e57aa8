import { describe, expect, test } from "vitest";
import { choose, haveOf, isExact, levelOf, Rank, type Wanted } from "./choose";
import type { Size, Window } from "./protocol";
import { picture, type Picture } from "./store";

const wanted: Wanted = { series: 0, frame: 4, window: [40, 400], fit: [512, 512] };

function whole(
  win: Window,
  seq: number,
  options: { lossless?: boolean; size?: Size; auto?: boolean } = {},
): Picture<null> {
  const { lossless = false, size = [512, 512], auto = false } = options;
  return picture(
    { k: "frame", seq, s: 0, f: 4, win, auto, size, full: [512, 512], fmt: lossless ? "png" : "jpeg", lossless },
    new Uint8Array(1),
  );
}
const cell = (win: Window): Picture<null> =>
  picture(
    { k: "sheet", s: 0, win, auto: false, frames: [4], cols: 4, cell: [128, 128], fmt: "jpeg" },
    new Uint8Array(1),
  );
const best = (pictures: Picture<null>[], view = wanted) => choose(pictures, view, [40, 400]);

describe("choose", () => {
  test("prefers what is exact and large over what is not", () => {
    const ladder = [
      cell([300, 1500]),
      whole([40, 100], 9),
      cell([40, 400]),
      whole([40, 1000], 8),
      whole([40, 400], 7, { size: [300, 300] }),
      whole([40, 400], 6),
      whole([40, 400], 5, { lossless: true }),
    ];
    const ranks = ladder.map((_, i) => best(ladder.slice(0, i + 1))?.rank);
    expect(ranks).toEqual([
      Rank.ApproximateCell,
      Rank.Approximate,
      Rank.Cell,
      Rank.ApproximateCovered,
      Rank.OtherSize,
      Rank.Screen,
      Rank.Lossless,
    ]);
  });

  test("never goes back to an older picture", () => {
    const pictures = [whole([10, 1000], 12), whole([20, 1000], 11)];
    expect(best(pictures)?.picture.seq).toBe(12);
    expect(best([pictures[1], pictures[0]] as Picture<null>[])?.picture.seq).toBe(12);
  });

  test("the frame's own window is another wish than the same numbers", () => {
    const own: Wanted = { ...wanted, window: null };
    expect(isExact(best([whole([40, 400], 1, { auto: true })], own)?.rank ?? Rank.ApproximateCell)).toBe(true);
    expect(isExact(best([whole([40, 400], 1)], own)?.rank ?? Rank.ApproximateCell)).toBe(false);
    expect(isExact(best([whole([40, 400], 1, { auto: true })])?.rank ?? Rank.ApproximateCell)).toBe(true);
  });

  test("nothing is better than a wrong frame", () => {
    expect(best([])).toBeNull();
  });
});

test("the level says no more than is true", () => {
  const level = (p: Picture<null>) => levelOf(best([p]), wanted);
  expect(levelOf(null, wanted)).toBe("none");
  expect(level(cell([40, 400]))).toBe("preview");
  expect(level(whole([300, 1500], 1))).toBe("preview");
  expect(level(whole([40, 400], 1, { size: [300, 300], lossless: true }))).toBe("preview");
  expect(level(whole([40, 400], 1))).toBe("screen");
  expect(level(whole([40, 400], 1, { lossless: true }))).toBe("final");
});

test("a larger picture than needed is sharp, but not the exact one", () => {
  const view: Wanted = { ...wanted, fit: [300, 300] };
  expect(levelOf(best([whole([40, 400], 1, { lossless: true })], view), view)).toBe("screen");
});

test("the server is told what it need not send", () => {
  expect(haveOf(best([cell([40, 400])]))).toBe(0);
  expect(haveOf(best([whole([40, 400], 1)]))).toBe(1);
  expect(haveOf(best([whole([40, 400], 1, { lossless: true })]))).toBe(2);
});
