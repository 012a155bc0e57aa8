/** The second canvas: tiles of a zoomed large frame, lying on the stage in image coordinates over the fitted picture. */
import type { Level } from "../core/choose";
import { tilesOf, type Stage } from "../core/geometry";
import type { Rect, TileArea } from "../core/protocol";
import type { Picture } from "../core/store";
import type { Decoded } from "./handover";
import { invertRect } from "./painter";

export class Detail {
  readonly canvas = document.createElement("canvas");
  private readonly context: CanvasRenderingContext2D;
  private drawn = new Map<string, Picture<Decoded>>();
  private place = "";

  constructor(stage: HTMLElement) {
    this.canvas.className = "detail";
    this.canvas.hidden = true;
    stage.append(this.canvas);
    const context = this.canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    this.context = context;
  }

  /** Takes the tiles away. */
  hide(): void {
    if (this.place === "") return;
    this.place = "";
    this.drawn.clear();
    this.canvas.hidden = true;
    this.canvas.width = this.canvas.height = 1;
  }

  /** Draws the held tiles of an area; returns those that still have to be decoded. `view` names frame, window and polarity. */
  show(
    area: TileArea,
    stage: Stage,
    held: readonly Picture<Decoded>[],
    view: string,
    inverted: boolean,
  ): Picture<Decoded>[] {
    const rects = tilesOf(area, stage);
    this.lay(area, stage, rects, `${view}/${area.level}/${rects[0]}/${rects[rects.length - 1]}`);
    const [left, top] = rects[0] ?? [0, 0];
    const undecoded: Picture<Decoded>[] = [];
    for (const tile of held) {
      const { rect, bitmap } = tile;
      if (!rect || !rects.some((r) => r.join() === rect.join()) || this.drawn.get(rect.join()) === tile) continue;
      if (!bitmap) {
        undecoded.push(tile);
        continue;
      }
      this.context.drawImage(bitmap, rect[0] - left, rect[1] - top);
      if (inverted) invertRect(this.context, rect[0] - left, rect[1] - top, tile.size);
      this.drawn.set(rect.join(), tile);
    }
    return undecoded;
  }

  /** What the tiles on the canvas add up to. */
  level(area: TileArea, stage: Stage): Level {
    const drawn = tilesOf(area, stage).map((rect) => this.drawn.get(rect.join()));
    if (drawn.some((tile) => !tile)) return "preview";
    return drawn.every((tile) => tile?.lossless) ? "final" : "screen";
  }

  /** Sizes and places the canvas; the old pixels go when anything but the held tiles differs. */
  private lay(area: TileArea, stage: Stage, rects: Rect[], place: string): void {
    if (place === this.place) return;
    this.place = place;
    this.drawn.clear();
    const [first, last] = [rects[0], rects[rects.length - 1]];
    if (!first || !last) return;
    const [w, h] = [last[0] + last[2] - first[0], last[1] + last[3] - first[1]];
    const factor = 2 ** area.level;
    this.canvas.width = w;
    this.canvas.height = h;
    const { style } = this.canvas;
    style.left = `${first[0] * factor}px`;
    style.top = `${first[1] * factor * stage.aspect}px`;
    style.width = `${w * factor}px`;
    style.height = `${h * factor * stage.aspect}px`;
    this.canvas.hidden = false;
  }
}
