/**
 * Pictures in memory, under two bounds: bytes as received, and decoded pixels. The least recently used give way first.
 * Nothing is ever written anywhere else. `B` is the decoded form (ImageBitmap in a browser).
 */
import { sameWindow, type Held, type PictureHeader, type Rect, type Size, type Window } from "./protocol";

/** Encoded bytes kept; told to the server as `keep`. */
export const KEEP_ENCODED = 40_000_000;
/** Decoded pixels kept, four bytes each. */
export const KEEP_DECODED = 48_000_000;
/** Pictures of one frame under different windows: the newest, and what an approximation starts from. */
const PER_FRAME = 2;

/** Ranges told after a reconnect, longest first: a message has a limit, and what is not told is merely sent again. */
const MOST_RANGES = 150;

/** One received picture. */
export interface Picture<B> {
  kind: "frame" | "sheet" | "tile";
  series: number;
  /** Frames shown, one for all but sheets. */
  frames: readonly number[];
  /** The window applied, null for colour. */
  window: Window | null;
  /** The window is the frame's own default. */
  auto: boolean;
  /** Pixels of the whole picture; of one cell for sheets. */
  size: Size;
  cols: number;
  level: number;
  rect: Rect | null;
  lossless: boolean;
  /** The view that it answers; sheets answer none. */
  seq: number;
  format: "jpeg" | "png";
  bytes: Uint8Array<ArrayBuffer>;
  bitmap: B | null;
}

/** A picture from its header, not yet decoded. */
export function picture<B>(header: PictureHeader, bytes: Uint8Array<ArrayBuffer>): Picture<B> {
  const tile = header.k === "tile";
  const sheet = header.k === "sheet";
  return {
    kind: header.k,
    series: header.s,
    frames: sheet ? header.frames : [header.f],
    window: header.win,
    auto: header.auto,
    size: sheet ? header.cell : tile ? [header.rect[2], header.rect[3]] : header.size,
    cols: sheet ? header.cols : 1,
    level: tile ? header.level : 0,
    rect: tile ? header.rect : null,
    lossless: !sheet && header.lossless,
    seq: sheet ? 0 : header.seq,
    format: header.fmt,
    bytes,
    bitmap: null,
  };
}

/** True if the picture shows what a view with this window (null: default) asks for. Colour has no window and fits all. */
export function fitsWindow(p: Pick<Picture<unknown>, "window" | "auto">, wanted: Window | null): boolean {
  return wanted === null ? p.auto || p.window === null : p.window === null || sameWindow(p.window, wanted);
}

/** Where frame k's cell lies in a decoded sheet. */
export function cellRect(sheet: Picture<unknown>, frame: number): Rect {
  const index = sheet.frames.indexOf(frame);
  const [w, h] = sheet.size;
  return [(index % sheet.cols) * w, Math.floor(index / sheet.cols) * h, w, h];
}

const sameSize = (a: Size, b: Size): boolean => a[0] === b[0] && a[1] === b[1];
const sameSettings = (a: Picture<unknown>, b: Picture<unknown>): boolean =>
  a.auto === b.auto && sameWindow(a.window, b.window);
const key = (series: number, frame: number): string => `${series}/${frame}`;

/** Inclusive ranges of a set of frames. */
export function ranges(frames: Iterable<number>): [number, number][] {
  const result: [number, number][] = [];
  for (const frame of [...new Set(frames)].sort((a, b) => a - b)) {
    const last = result[result.length - 1];
    if (last && last[1] === frame - 1) last[1] = frame;
    else result.push([frame, frame]);
  }
  return result;
}

/** The longest ranges of the frames that are held. */
function told(held: number[]): [number, number][] {
  return ranges(held)
    .sort((a, b) => b[1] - b[0] - (a[1] - a[0]))
    .slice(0, MOST_RANGES);
}

export class PictureStore<B> {
  /** All pictures, least recently used first. */
  private readonly order = new Set<Picture<B>>();
  private readonly byFrame = new Map<string, Picture<B>[]>();
  /** Bytes of all encoded pictures. */
  encoded = 0;
  /** Bytes of all decoded pictures. */
  decoded = 0;

  constructor(
    private readonly close: (bitmap: B) => void,
    private readonly keepEncoded = KEEP_ENCODED,
    private readonly keepDecoded = KEEP_DECODED,
  ) {}

  /** Adds a picture; what it replaces or what no longer fits goes. */
  put(added: Picture<B>): void {
    for (const old of this.replaced(added)) this.remove(old);
    this.order.add(added);
    this.encoded += added.bytes.byteLength;
    this.decoded += this.cost(added);
    for (const frame of added.frames) this.list(added.series, frame).push(added);
    if (added.kind === "frame") this.trimFrame(added);
    for (const old of this.order) {
      if (this.encoded <= this.keepEncoded) break;
      if (old !== added) this.remove(old);
    }
    this.trimDecoded(added);
  }

  /** Pictures of one frame, oldest first; sheets and tiles included. */
  of(series: number, frame: number): readonly Picture<B>[] {
    return this.byFrame.get(key(series, frame)) ?? [];
  }

  /** Keeps the decoded form of a picture, unless the picture has gone meanwhile; true if kept. */
  keepBitmap(owner: Picture<B>, bitmap: B): boolean {
    if (!this.order.has(owner) || owner.bitmap !== null) {
      this.close(bitmap);
      return owner.bitmap !== null;
    }
    owner.bitmap = bitmap;
    this.decoded += this.cost(owner);
    this.touch(owner);
    this.trimDecoded(owner);
    return true;
  }

  /** Marks a picture as used. */
  touch(used: Picture<B>): void {
    if (this.order.delete(used)) this.order.add(used);
  }

  /** Drops the tiles of all frames: level, frame or window changed, and the server has forgotten them too. */
  dropTiles(): void {
    for (const old of this.order) if (old.kind === "tile") this.remove(old);
  }

  /** Drops one picture, for instance one whose bytes cannot be decoded. */
  drop(old: Picture<B>): void {
    if (this.order.has(old)) this.remove(old);
  }

  /** Drops the pictures of a series: its frames have other numbers now. */
  dropSeries(series: number): void {
    for (const old of this.order) if (old.series === series) this.remove(old);
  }

  /** Drops everything. */
  clear(): void {
    for (const old of this.order) this.remove(old);
  }

  /** How many frames of a series have any picture under this window. */
  covered(series: number, frames: number, window: Window | null): number {
    let count = 0;
    for (let frame = 0; frame < frames; frame += 1) {
      if (this.of(series, frame).some((p) => p.kind !== "tile" && fitsWindow(p, window))) count += 1;
    }
    return count;
  }

  /** What is held for this window and fit, so that a new socket sends none of it again. */
  held(series: number, window: Window | null, fit: Size, full: Size): Held {
    const sheets: number[] = [];
    const frames: number[] = [];
    const exact: number[] = [];
    for (const p of this.order) {
      if (p.series !== series || p.kind === "tile" || !fitsWindow(p, window)) continue;
      if (p.kind === "sheet") sheets.push(...p.frames);
      else if (sameSize(p.size, fit) || sameSize(p.size, full)) (p.lossless ? exact : frames).push(...p.frames);
    }
    return { series, window, fit, sheets: told(sheets), frames: told([...frames, ...exact]), exact: told(exact) };
  }

  /** Pictures that a new one makes needless: same place, same window, not better. */
  private replaced(added: Picture<B>): Picture<B>[] {
    const candidates = added.frames.flatMap((frame) => this.of(added.series, frame));
    if (added.kind === "sheet") {
      return candidates.filter(
        (p) => p.kind === "sheet" && sameSettings(p, added) && p.frames.every((f) => added.frames.includes(f)),
      );
    }
    return candidates.filter(
      (p) =>
        p.kind === added.kind &&
        sameSettings(p, added) &&
        (added.kind === "tile"
          ? p.level === added.level && p.rect?.join() === added.rect?.join()
          : sameSize(p.size, added.size)) &&
        (added.lossless || !p.lossless),
    );
  }

  /** Keeps the newest pictures of a frame; the lossless one of a window stands above its JPEG. */
  private trimFrame(added: Picture<B>): void {
    const rank = (p: Picture<B>): number => p.seq + (p.lossless ? 0.5 : 0);
    const whole = this.of(added.series, added.frames[0] ?? 0).filter((p) => p.kind === "frame");
    for (const old of [...whole].sort((a, b) => rank(b) - rank(a)).slice(PER_FRAME)) this.remove(old);
  }

  private trimDecoded(spared: Picture<B>): void {
    for (const old of this.order) {
      if (this.decoded <= this.keepDecoded) break;
      if (old !== spared) this.release(old);
    }
  }

  private remove(old: Picture<B>): void {
    this.release(old);
    this.order.delete(old);
    this.encoded -= old.bytes.byteLength;
    for (const frame of old.frames) {
      const list = this.list(old.series, frame).filter((p) => p !== old);
      if (list.length > 0) this.byFrame.set(key(old.series, frame), list);
      else this.byFrame.delete(key(old.series, frame));
    }
  }

  private release(old: Picture<B>): void {
    if (old.bitmap === null) return;
    this.decoded -= this.cost(old);
    this.close(old.bitmap);
    old.bitmap = null;
  }

  private cost(p: Picture<B>): number {
    if (p.bitmap === null) return 0;
    const cells = p.kind === "sheet" ? p.cols * Math.ceil(p.frames.length / p.cols) : 1;
    return 4 * p.size[0] * p.size[1] * cells;
  }

  private list(series: number, frame: number): Picture<B>[] {
    const name = key(series, frame);
    let list = this.byFrame.get(name);
    if (!list) this.byFrame.set(name, (list = []));
    return list;
  }
}
