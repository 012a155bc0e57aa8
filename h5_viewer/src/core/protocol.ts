/** The messages of `/stream`, as docs/streaming.md has them, and the binary frame that carries a picture. No DOM. */

/** Window centre and width, in the values of the series (Hounsfield units for CT). */
export type Window = readonly [number, number];
/** Width and height in pixels. */
export type Size = readonly [number, number];
/** Left, top, width, height in pixels. */
export type Rect = readonly [number, number, number, number];
/** A named window; null stands for each frame's own default. */
export interface Preset {
  name: string;
  window: Window | null;
}

/** One series as the server describes it. */
export interface SeriesEntry {
  i: number;
  modality: string;
  number: number | null;
  description: string;
  frames: number;
  rows: number;
  columns: number;
  colour: boolean;
  window: Window | null;
  presets: Preset[];
  /** Millimetres between rows and between columns. */
  spacing: readonly [number, number] | null;
  spacing_from: "pixel" | "imager" | "ultrasound" | null;
  value_unit: string;
  /** Letters at the left, right, top and bottom edge of the lead frame. */
  orientation: readonly string[] | null;
  fps: number;
  default_frame: number;
  lossy: boolean;
  monochrome1: boolean;
  /** True, or the sentence that says why there is no picture. */
  showable: true | string;
}

/** Everything that the page knows about the exam. */
export interface Manifest {
  exam: string;
  grade: "browse" | "diagnostic";
  ticket: string;
  title: {
    patient: string;
    sex: string;
    age: string;
    modality: string;
    description: string;
    date: string;
    institution: string;
  };
  series: SeriesEntry[];
  /** Stands across the pictures of whoever sees them by a share. */
  watermark?: string;
}

/** What a picture shows: part of every binary header. `window` null means colour. */
export interface FrameHeader {
  k: "frame";
  seq: number;
  s: number;
  f: number;
  win: Window | null;
  auto: boolean;
  size: Size;
  full: Size;
  fmt: "jpeg" | "png";
  lossless: boolean;
}
/** A contact sheet of the overview: cells row by row. */
export interface SheetHeader {
  k: "sheet";
  s: number;
  win: Window | null;
  auto: boolean;
  frames: number[];
  cols: number;
  cell: Size;
  fmt: "jpeg";
}
/** A piece of one level of a large frame. */
export interface TileHeader {
  k: "tile";
  seq: number;
  s: number;
  f: number;
  win: Window | null;
  auto: boolean;
  level: number;
  rect: Rect;
  fmt: "jpeg" | "png";
  lossless: boolean;
}
/** A slice of a larger binary message. */
export interface PartHeader {
  k: "part";
  id: number;
  at: number;
  of: number;
}
export type PictureHeader = FrameHeader | SheetHeader | TileHeader;

/** A sentence for the person, about a frame or about the link. */
export interface Problem {
  t: "problem";
  code: string;
  text: string;
  retry: number | null;
  series?: number;
  frame?: number;
}
export type ServerText =
  | { t: "ready"; manifest: Manifest; session: string }
  | { t: "series"; i: number; entry: SeriesEntry }
  | Problem
  | { t: "pong"; at: number };

/** The visible part of a zoomed large frame, in pixels of level `level` (level k is 1/2^k). */
export interface TileArea {
  level: number;
  rect: Rect;
}

/** What the person looks at, as the server is told. */
export interface ViewMessage {
  t: "view";
  seq: number;
  series: number;
  frame: number;
  window: Window | null;
  fit: Size;
  tiles: TileArea | null;
  moving: boolean;
  dir: -1 | 0 | 1;
  have: 0 | 1 | 2;
}

/** Inclusive ranges of frames that the terminal already holds, told after a reconnect. */
export interface Held {
  series: number;
  window: Window | null;
  fit: Size;
  sheets: [number, number][];
  frames: [number, number][];
  exact: [number, number][];
}
export type ClientMessage =
  | { t: "open"; ticket: string; v: 1; keep: number; have: Held | null }
  | ViewMessage
  | { t: "ack"; n: number }
  | { t: "overview"; series: number; window: Window | null }
  | { t: "ping"; at: number };

const utf8 = new TextDecoder();

/** The header and the payload of one binary message. Throws `RangeError` or `SyntaxError` for bytes that are none. */
export function decodeBinary(buffer: ArrayBuffer): {
  header: PictureHeader | PartHeader;
  bytes: Uint8Array<ArrayBuffer>;
} {
  const length = new DataView(buffer).getUint16(0);
  if (2 + length > buffer.byteLength) throw new RangeError("header longer than the message");
  const header = JSON.parse(utf8.decode(new Uint8Array(buffer, 2, length))) as PictureHeader | PartHeader;
  return { header, bytes: new Uint8Array(buffer, 2 + length) };
}

/** True if both name the same window; null is the frame's own default. */
export function sameWindow(a: Window | null, b: Window | null): boolean {
  return a === b || (a !== null && b !== null && a[0] === b[0] && a[1] === b[1]);
}
