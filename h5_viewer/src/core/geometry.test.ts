import { describe, expect, test } from "vitest";
import {
  edgeLetters,
  fitScale,
  fitSize,
  fitted,
  flipped,
  panned,
  rotated,
  scaleBar,
  tilesOf,
  toImage,
  transform,
  visibleTiles,
  zoomed,
  type Camera,
  type Point,
  type Stage,
} from "./geometry";

const ct: Stage = { columns: 512, rows: 512, aspect: 1 };
const film: Stage = { columns: 2400, rows: 3000, aspect: 1 };
const phone = [390, 600] as const;
const upright: Camera = { scale: 1, x: 0, y: 0, rotation: 0, mirrored: false };

/** Where a point of the image stands on the screen, by the CSS transform itself. */
function onScreen(camera: Camera, stage: Stage, [ix, iy]: Point): Point {
  const numbers = transform(camera, stage, [0, 0])
    .match(/-?[\d.]+(e-?\d+)?/g)
    ?.map(Number);
  const [tx, ty, angle, sx, sy, ox, oy] = numbers as [number, number, number, number, number, number, number];
  const [x, y] = [(ix + ox) * sx, (iy * stage.aspect + oy) * sy];
  const [sin, cos] = [Math.sin((angle * Math.PI) / 180), Math.cos((angle * Math.PI) / 180)];
  return [tx + x * cos - y * sin, ty + x * sin + y * cos];
}

test("fit takes the narrower side, also when turned", () => {
  expect(fitScale(film, phone, 0)).toBeCloseTo(390 / 2400);
  expect(fitScale(film, phone, 90)).toBeCloseTo(390 / 3000);
});

test("small frames are asked for as they are, large ones by the pixels of the screen", () => {
  expect(fitSize(ct, phone, 3, 0)).toEqual([512, 512]);
  expect(fitSize(film, phone, 2, 0)).toEqual([780, 975]);
  expect(fitSize(film, [4000, 4000], 2, 0)).toEqual([2400, 3000]);
});

describe("camera", () => {
  const cameras: Camera[] = [];
  for (const rotation of [0, 90, 180, 270] as const) {
    for (const mirrored of [false, true]) cameras.push({ scale: 0.7, x: 31, y: -12, rotation, mirrored });
  }
  const stage: Stage = { columns: 300, rows: 200, aspect: 1.5 };

  test.each(cameras)("screen and image coordinates agree %o", (camera) => {
    const [x, y] = toImage(camera, stage, onScreen(camera, stage, [40, 170]));
    expect(x).toBeCloseTo(40);
    expect(y).toBeCloseTo(170);
  });

  test.each(cameras)("turning and mirroring act on what is seen %o", (camera) => {
    const point: Point = [40, 170];
    const [x, y] = onScreen(camera, stage, point);
    const cases: [Camera, Point][] = [
      [rotated(camera), [-y, x]],
      [flipped(camera, false), [-x, y]],
      [flipped(camera, true), [x, -y]],
    ];
    for (const [changed, expected] of cases) {
      const seen = onScreen(changed, stage, point);
      expect(seen[0]).toBeCloseTo(expected[0]);
      expect(seen[1]).toBeCloseTo(expected[1]);
    }
  });

  test.each(cameras)("letters stand where their sides are %o", (camera) => {
    const sides: Record<string, Point> = { L: [0, 100], R: [300, 100], T: [150, 0], B: [150, 200] };
    const [left, right, top, bottom] = edgeLetters(["L", "R", "T", "B"], camera);
    const at = (letter: string): Point => onScreen({ ...camera, x: 0, y: 0 }, stage, sides[letter] as Point);
    expect(at(left)[0]).toBeLessThan(-1);
    expect(at(right)[0]).toBeGreaterThan(1);
    expect(at(top)[1]).toBeLessThan(-1);
    expect(at(bottom)[1]).toBeGreaterThan(1);
  });

  test("zooming keeps the point under the fingers", () => {
    const before = toImage(upright, ct, [50, -80]);
    const after = toImage(zoomed(upright, ct, phone, 1.7, [50, -80]), ct, [50, -80]);
    expect(after[0]).toBeCloseTo(before[0]);
    expect(after[1]).toBeCloseTo(before[1]);
  });

  test("the image cannot be lost", () => {
    const far = panned(upright, ct, 9999, -9999);
    expect([far.x, far.y]).toEqual([256, -256]);
    expect(zoomed(upright, ct, phone, 1e-9, [0, 0]).scale).toBeCloseTo(fitScale(ct, phone, 0) / 2);
    expect(zoomed(upright, ct, phone, 1e9, [0, 0]).scale).toBe(16);
  });
});

test("the scale bar is round and fits", () => {
  expect(scaleBar(0.7, 96)).toEqual({ length: 50 / 0.7, text: "5 cm" });
  expect(scaleBar(0.05, 96)).toEqual({ length: 2 / 0.05, text: "2 mm" });
  for (const mm of [0.001, 0.013, 0.3, 1, 7]) expect(scaleBar(mm, 96).length).toBeLessThanOrEqual(96);
});

describe("tiles", () => {
  const fit = fitSize(film, phone, 2, 0);

  test("none where the fitted picture is as sharp as the screen", () => {
    expect(visibleTiles(fitted(film, phone, upright), film, phone, 2, fit)).toBeNull();
    expect(visibleTiles({ ...upright, scale: 9 }, ct, phone, 2, [512, 512])).toBeNull();
  });

  test("the level has at least the screen's pixels, and the rectangle is what is seen", () => {
    const half: Camera = { ...upright, scale: 0.25 };
    expect(visibleTiles(half, film, phone, 2, fit)).toEqual({ level: 1, rect: [210, 150, 780, 1200] });
    expect(visibleTiles({ ...upright, scale: 0.5 }, film, phone, 2, fit)).toEqual({
      level: 0,
      rect: [810, 900, 780, 1200],
    });
    expect(visibleTiles({ ...upright, scale: 0.5, rotation: 90 }, film, phone, 2, fit)?.rect).toEqual([
      600, 1110, 1200, 780,
    ]);
  });

  test("the grid covers the rectangle and is cut at the edge", () => {
    const tiles = tilesOf({ level: 1, rect: [1000, 1400, 200, 100] }, film);
    expect(tiles).toEqual([
      [512, 1024, 512, 476],
      [1024, 1024, 176, 476],
    ]);
  });
});
