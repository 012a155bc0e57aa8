/** Where the image lies on the screen: camera, fit, orientation letters, scale bar, visible tiles. No DOM. */
import type { Rect, Size, TileArea } from "./protocol";

/** Frames with both sides up to this are shown by their own pixels; larger ones are fitted and tiled. */
export const WHOLE_FRAME = 1024;
/** Side of a tile. */
export const TILE = 512;
/** Largest magnification, CSS pixels per image pixel. */
const MAX_SCALE = 16;

export type Point = readonly [number, number];
/** Quarter turns clockwise, in degrees. */
export type Rotation = 0 | 90 | 180 | 270;

/** How the image is laid on the screen: mirrored first (left-right), then turned, then moved. */
export interface Camera {
  /** CSS pixels per image pixel. */
  scale: number;
  /** The image's centre from the viewport's centre, CSS pixels. */
  x: number;
  y: number;
  rotation: Rotation;
  mirrored: boolean;
}

/** An image as it stands on the screen: columns by rows, the rows stretched where pixels are not square. */
export interface Stage {
  columns: number;
  rows: number;
  /** Height of a pixel over its width. */
  aspect: number;
}

const turned = (rotation: Rotation): boolean => rotation % 180 !== 0;
const quarter = (degrees: number): Rotation => (((degrees % 360) + 360) % 360) as Rotation;

/** The scale at which the whole image just fits into the viewport. */
export function fitScale(stage: Stage, viewport: Size, rotation: Rotation): number {
  const [w, h] = turned(rotation) ? [viewport[1], viewport[0]] : viewport;
  return Math.min(w / stage.columns, h / (stage.rows * stage.aspect));
}

/** The camera that shows the whole image, turned and mirrored as it was. */
export function fitted(stage: Stage, viewport: Size, from: Pick<Camera, "rotation" | "mirrored">): Camera {
  const { rotation, mirrored } = from;
  return { scale: fitScale(stage, viewport, rotation), x: 0, y: 0, rotation, mirrored };
}

/** Pixels to ask for: the frame's own if it is small, else what the screen can show when fitted, never more than there are. */
export function fitSize(stage: Stage, viewport: Size, density: number, rotation: Rotation): Size {
  const { columns, rows } = stage;
  if (Math.max(columns, rows) <= WHOLE_FRAME) return [columns, rows];
  const scale = Math.min(1, fitScale(stage, viewport, rotation) * density * Math.max(1, stage.aspect));
  return [Math.max(1, Math.round(columns * scale)), Math.max(1, Math.round(rows * scale))];
}

/** The CSS transform that lays a stage of columns x (rows * aspect) CSS pixels, origin at its top left, into the viewport. */
export function transform(camera: Camera, stage: Stage, viewport: Size): string {
  const { scale, x, y, rotation, mirrored } = camera;
  const at = `translate(${viewport[0] / 2 + x}px,${viewport[1] / 2 + y}px)`;
  const centre = `translate(${-stage.columns / 2}px,${(-stage.rows * stage.aspect) / 2}px)`;
  return `${at} rotate(${rotation}deg) scale(${mirrored ? -scale : scale},${scale}) ${centre}`;
}

/** A vector turned clockwise by quarters. */
function turn([x, y]: Point, rotation: Rotation): Point {
  if (rotation === 90) return [-y, x];
  if (rotation === 180) return [-x, -y];
  return rotation === 270 ? [y, -x] : [x, y];
}

/** Image coordinates (pixels, rows unstretched) of a point given from the viewport's centre. */
export function toImage(camera: Camera, stage: Stage, [px, py]: Point): Point {
  const [tx, ty] = turn([px - camera.x, py - camera.y], quarter(-camera.rotation));
  const x = (camera.mirrored ? -tx : tx) / camera.scale;
  return [x + stage.columns / 2, ty / camera.scale / stage.aspect + stage.rows / 2];
}

/** Zoomed by a factor about a point that stays where it is (from the viewport's centre). */
export function zoomed(camera: Camera, stage: Stage, viewport: Size, factor: number, at: Point): Camera {
  const least = fitScale(stage, viewport, camera.rotation) * 0.5;
  const scale = Math.min(MAX_SCALE, Math.max(least, camera.scale * factor));
  const real = scale / camera.scale;
  return held({ ...camera, scale, x: at[0] + (camera.x - at[0]) * real, y: at[1] + (camera.y - at[1]) * real }, stage);
}

/** Moved, but so that the image's edge cannot pass the viewport's centre. */
export function panned(camera: Camera, stage: Stage, dx: number, dy: number): Camera {
  return held({ ...camera, x: camera.x + dx, y: camera.y + dy }, stage);
}

const bound = (value: number, most: number): number => Math.min(most, Math.max(-most, value));

function held(camera: Camera, stage: Stage): Camera {
  const w = (stage.columns * camera.scale) / 2;
  const h = (stage.rows * stage.aspect * camera.scale) / 2;
  const [mx, my] = turned(camera.rotation) ? [h, w] : [w, h];
  return { ...camera, x: bound(camera.x, mx), y: bound(camera.y, my) };
}

/** Turned clockwise by a quarter about the viewport's centre. */
export function rotated(camera: Camera): Camera {
  return { ...camera, rotation: quarter(camera.rotation + 90), x: -camera.y, y: camera.x };
}

/** Mirrored as seen on the screen: left-right, or upside down. */
export function flipped(camera: Camera, upsideDown: boolean): Camera {
  const { rotation, mirrored, x, y } = camera;
  return upsideDown
    ? { ...camera, rotation: quarter(180 - rotation), mirrored: !mirrored, y: -y }
    : { ...camera, rotation: quarter(-rotation), mirrored: !mirrored, x: -x };
}

/** Letters at the left, right, top and bottom of the screen for the image's own ones. */
export function edgeLetters(
  own: readonly string[],
  camera: Pick<Camera, "rotation" | "mirrored">,
): [string, string, string, string] {
  const [l = "", r = "", t = "", b = ""] = own;
  let [left, right, top, bottom] = camera.mirrored ? [r, l, t, b] : [l, r, t, b];
  for (let degrees = 0; degrees < camera.rotation; degrees += 90) {
    [left, right, top, bottom] = [bottom, top, left, right];
  }
  return [left, right, top, bottom];
}

/** The longest round length that fits into `most` CSS pixels, for a screen where one CSS pixel shows `millimetres`. */
export function scaleBar(millimetres: number, most: number): { length: number; text: string } {
  const limit = millimetres * most;
  const power = 10 ** Math.floor(Math.log10(limit));
  const value = [5, 2, 1].map((step) => step * power).find((v) => v <= limit) ?? power;
  const text = value >= 10 ? `${Number((value / 10).toPrecision(3))} cm` : `${Number(value.toPrecision(3))} mm`;
  return { length: value / millimetres, text };
}

/** The level and rectangle to ask tiles for, or null where the fitted picture has all that the screen can show. */
export function visibleTiles(
  camera: Camera,
  stage: Stage,
  viewport: Size,
  density: number,
  fit: Size,
): TileArea | null {
  const { columns, rows } = stage;
  const needed = camera.scale * density * Math.max(1, stage.aspect);
  if (Math.max(columns, rows) <= WHOLE_FRAME || fit[0] >= columns || needed <= (fit[0] / columns) * 1.02) return null;
  const level = Math.max(0, Math.floor(Math.log2(1 / Math.min(1, needed))));
  const corners = ([-1, 1] as const).flatMap((sx) =>
    ([-1, 1] as const).map((sy) => toImage(camera, stage, [(sx * viewport[0]) / 2, (sy * viewport[1]) / 2])),
  );
  const factor = 2 ** level;
  const span = (values: number[], size: number): [number, number] => {
    const from = Math.max(0, Math.floor(Math.min(...values) / factor));
    const to = Math.min(levelSide(size, level), Math.ceil(Math.max(...values) / factor));
    return [from, Math.max(0, to - from)];
  };
  const [x, w] = span(
    corners.map((c) => c[0]),
    columns,
  );
  const [y, h] = span(
    corners.map((c) => c[1]),
    rows,
  );
  return w > 0 && h > 0 ? { level, rect: [x, y, w, h] } : null;
}

/** Pixels of a side at a level: halves are rounded up. */
export function levelSide(side: number, level: number): number {
  return Math.ceil(side / 2 ** level);
}

/** The tiles of the grid that a rectangle touches, cut at the frame's edge. */
export function tilesOf(area: TileArea, stage: Stage): Rect[] {
  const [x, y, w, h] = area.rect;
  const width = levelSide(stage.columns, area.level);
  const height = levelSide(stage.rows, area.level);
  const result: Rect[] = [];
  for (let ty = Math.floor(y / TILE) * TILE; ty < y + h; ty += TILE) {
    for (let tx = Math.floor(x / TILE) * TILE; tx < x + w; tx += TILE) {
      result.push([tx, ty, Math.min(TILE, width - tx), Math.min(TILE, height - ty)]);
    }
  }
  return result;
}
