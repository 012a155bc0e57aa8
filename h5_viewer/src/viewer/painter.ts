/** Puts a picture's own pixels on the canvas. Approximations under a window drag and inversion are computed here, nothing else changes a pixel. */
import { isExact, type Choice } from "../core/choose";
import type { Size, Window } from "../core/protocol";
import { cellRect, type Picture } from "../core/store";
import { remapTable } from "../core/window";
import type { Decoded } from "./handover";

/** What the canvas shows of a frame. */
export interface Painting {
  choice: Choice<Decoded>;
  frame: number;
  /** The window that the pixels show, or are an approximation of. */
  window: Window | null;
  inverted: boolean;
}

/** Turns a rectangle of a canvas into its negative, exactly: 255 - v. */
export function invertRect(context: CanvasRenderingContext2D, x: number, y: number, [w, h]: Size): void {
  context.globalCompositeOperation = "difference";
  context.fillStyle = "#fff";
  context.fillRect(x, y, w, h);
  context.globalCompositeOperation = "source-over";
}

export class Painter {
  private readonly context: CanvasRenderingContext2D;
  private readonly scratch = document.createElement("canvas");
  private painted: Painting | null = null;
  /** 8-bit values of the picture that an approximation starts from, read once per drag. */
  private grey: { picture: Picture<Decoded>; frame: number; values: Uint8Array } | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    this.context = context;
  }

  /** Paints, unless exactly this is on the canvas already. */
  paint(next: Painting, monochrome1: boolean): void {
    const old = this.painted;
    const same = old && old.choice.picture === next.choice.picture && old.frame === next.frame;
    if (same && old.inverted === next.inverted && old.window?.join() === next.window?.join()) return;
    const { picture, rank } = next.choice;
    if (!isExact(rank) && next.window && picture.window)
      this.approximate(next, picture.window, next.window, monochrome1);
    else this.draw(this.context, next);
    if (next.inverted) invertRect(this.context, 0, 0, [this.canvas.width, this.canvas.height]);
    this.painted = next;
  }

  /** Makes the canvas black. */
  clear(): void {
    this.painted = null;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** Forgets all pixels: the page is left. */
  forget(): void {
    this.clear();
    this.grey = null;
    this.canvas.width = this.scratch.width = 1;
  }

  private draw(context: CanvasRenderingContext2D, { choice: { picture }, frame }: Painting): void {
    const { canvas } = context;
    const [w, h] = picture.size;
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    if (!picture.bitmap) return;
    if (picture.kind === "sheet") context.drawImage(picture.bitmap, ...cellRect(picture, frame), 0, 0, w, h);
    else context.drawImage(picture.bitmap, 0, 0);
  }

  private approximate(next: Painting, from: Window, to: Window, monochrome1: boolean): void {
    const { values } = this.values(next);
    const [w, h] = next.choice.picture.size;
    const table = remapTable(from, to, monochrome1);
    const pixels = new Uint32Array(w * h);
    const colours = Uint32Array.from(table, (v) => 0xff000000 | (v << 16) | (v << 8) | v);
    for (let i = 0; i < pixels.length; i += 1) pixels[i] = colours[values[i] as number] as number;
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    this.context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), w, h), 0, 0);
  }

  private values(next: Painting): { values: Uint8Array } {
    const { picture } = next.choice;
    if (this.grey?.picture === picture && this.grey.frame === next.frame) return this.grey;
    const context = this.scratch.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("no canvas");
    this.draw(context, next);
    const { data } = context.getImageData(0, 0, picture.size[0], picture.size[1]);
    const values = new Uint8Array(data.length / 4);
    for (let i = 0; i < values.length; i += 1) values[i] = data[i * 4] as number;
    this.grey = { picture, frame: next.frame, values };
    return this.grey;
  }
}
