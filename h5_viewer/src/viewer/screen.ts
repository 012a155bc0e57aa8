/** The picture on the screen: camera, choice of picture, decoding, painting, and the truth about what is shown. */
import { isExact, levelOf, type Choice, type Level } from "../core/choose";
import {
  fitScale,
  fitSize,
  fitted,
  flipped,
  panned,
  rotated,
  tilesOf,
  transform,
  visibleTiles,
  zoomed,
  type Camera,
  type Point,
  type Stage,
} from "../core/geometry";
import type { Rect, Size, Window } from "../core/protocol";
import type { Picture } from "../core/store";
import type { Stream } from "../core/stream";
import { Detail } from "./detail";
import type { Decoded, Handover } from "./handover";
import { Marks } from "./marks";
import { Painter } from "./painter";

/** After this long without any picture of the wanted frame, the old one is dimmed. */
const DIM_AFTER = 200;
const DECODE_AHEAD = 2;

export class Screen {
  camera: Camera = { scale: 1, x: 0, y: 0, rotation: 0, mirrored: false };
  inverted = false;
  /** What was on screen of the wanted frame when it was last painted. */
  level: Level = "none";
  private painted = -1;
  /** The pixels are an approximation of the wanted window. */
  approximate = false;
  /** Every pixel of the original that is seen is on the screen, unscaled by the server. */
  whole = false;
  viewport: Size = [1, 1];
  private readonly stage: HTMLElement;
  private readonly painter: Painter;
  private readonly detail: Detail;
  private readonly marks: Marks;
  private readonly decoding = new Set<Picture<Decoded>>();
  private readonly listeners: (() => void)[] = [];
  private scheduled = 0;
  private shownFrame = "";
  private emptySince = 0;
  private fits = true;

  constructor(
    private readonly page: Handover,
    private readonly stream: Stream<Decoded>,
    firstPainted: boolean,
  ) {
    this.stage = page.canvas.parentElement as HTMLElement;
    this.painter = new Painter(page.canvas);
    this.detail = new Detail(this.stage);
    this.marks = new Marks(firstPainted);
    new ResizeObserver(() => this.measure()).observe(page.view);
    this.measure();
  }

  /** What is on screen now: nothing yet of a frame or window that was asked for after the last painting. */
  get levelNow(): Level {
    return this.painted === this.stream.changes ? this.level : "none";
  }

  /** Runs after each painting. */
  onPaint(run: () => void): void {
    this.listeners.push(run);
  }

  /** Paints anew before the next frame of the display. */
  schedule(): void {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      this.refresh();
    });
  }

  get stageSize(): Stage {
    const { columns, rows, spacing } = this.stream.entry;
    const aspect = spacing && spacing[1] > 0 ? spacing[0] / spacing[1] : 1;
    return { columns: Math.max(1, columns), rows: Math.max(1, rows), aspect: Math.abs(aspect - 1) < 0.01 ? 1 : aspect };
  }

  /** CSS pixels per image pixel that make 1:1: one pixel of the display, or of the page where that would be smaller than fitted. */
  get oneToOne(): number {
    const device = 1 / devicePixelRatio;
    return device > this.fitted ? device : 1;
  }

  private get fitted(): number {
    return fitScale(this.stageSize, this.viewport, this.camera.rotation);
  }

  fit(): void {
    this.fits = true;
    this.move(fitted(this.stageSize, this.viewport, this.camera));
  }

  /** 1:1 about a point (twice the size, where 1:1 is hardly larger than fitted), or all of it again. */
  toggleWhole(at: Point): void {
    if (!this.fits) this.fit();
    else this.zoomTo(this.oneToOne > this.fitted * 1.1 ? this.oneToOne : this.fitted * 2, at);
  }

  zoomTo(scale: number, at: Point = [0, 0]): void {
    this.zoom(scale / this.camera.scale, at);
  }

  zoom(factor: number, at: Point = [0, 0]): void {
    this.fits = false;
    this.move(zoomed(this.camera, this.stageSize, this.viewport, factor, at));
  }

  pan(dx: number, dy: number): void {
    this.fits = false;
    this.move(panned(this.camera, this.stageSize, dx, dy));
  }

  rotate(): void {
    this.move(rotated(this.camera));
    if (this.fits) this.fit();
  }

  flip(upsideDown: boolean): void {
    this.move(flipped(this.camera, upsideDown));
  }

  invert(): void {
    if (this.stream.entry.colour) return;
    this.inverted = !this.inverted;
    this.schedule();
  }

  /** Camera, window and polarity as at the start. */
  reset(): void {
    this.inverted = false;
    this.camera = { ...this.camera, rotation: 0, mirrored: false };
    this.stream.setWindow(null);
    this.fit();
  }

  /** Another series: its geometry is its own. */
  restart(): void {
    this.camera = { ...this.camera, rotation: 0, mirrored: false };
    this.inverted = false;
    this.painter.clear();
    this.fit();
  }

  /** Drops every pixel. */
  forget(): void {
    cancelAnimationFrame(this.scheduled);
    this.painter.forget();
    this.detail.hide();
  }

  private measure(): void {
    const { view } = this.page;
    if (view.clientWidth === 0) return;
    this.viewport = [view.clientWidth, view.clientHeight];
    if (this.fits) this.fit();
    else this.move(this.camera);
  }

  private move(camera: Camera): void {
    this.camera = camera;
    this.lay();
    this.schedule();
  }

  /** Lays the stage and tells the stream which size and tiles the screen can take. */
  private lay(): void {
    const stage = this.stageSize;
    const { style } = this.stage;
    style.width = `${stage.columns}px`;
    style.height = `${stage.rows * stage.aspect}px`;
    style.transform = transform(this.camera, stage, this.viewport);
    const fit = fitSize(stage, this.viewport, devicePixelRatio, this.camera.rotation);
    const area = visibleTiles(this.camera, stage, this.viewport, devicePixelRatio, fit);
    this.stream.setScreen(fit, area, area ? this.missing(tilesOf(area, stage)) : []);
  }

  private tiles(): Picture<Decoded>[] {
    const { series, frame, tiles } = this.stream;
    return this.stream.store.of(series, frame).filter((p) => p.kind === "tile" && p.level === tiles?.level);
  }

  private missing(rects: Rect[]): Rect[] {
    const exact = new Set(
      this.tiles()
        .filter((t) => t.lossless)
        .map((t) => t.rect?.join()),
    );
    return rects.filter((rect) => !exact.has(rect.join()));
  }

  private refresh(): void {
    const { stream } = this;
    this.lay();
    const best = stream.best();
    if (best && !best.picture.bitmap) this.decode(best.picture);
    const shown = stream.best((p) => p.bitmap !== null);
    if (shown) this.paint(shown);
    else this.wait();
    const exact = shown !== null && isExact(shown.rank);
    this.level = shown ? levelOf(shown, stream.wanted) : "none";
    this.approximate = shown !== null && !exact;
    this.whole = shown !== null && stream.fit[0] === this.stageSize.columns;
    if (shown && exact) this.showTiles();
    else this.detail.hide();
    this.painted = stream.changes;
    this.marks.report(stream.changes, this.level, exact);
    for (const run of this.listeners) run();
    this.decodeAhead();
  }

  private paint(choice: Choice<Decoded>): void {
    const { stream } = this;
    const name = `${stream.series}/${stream.frame}`;
    this.shownFrame = name;
    this.emptySince = 0;
    this.page.view.classList.remove("waiting");
    stream.store.touch(choice.picture);
    const target: Window | null = isExact(choice.rank) ? choice.picture.window : stream.shownWindow();
    this.painter.paint(
      { choice, frame: stream.frame, window: target, inverted: this.inverted },
      stream.entry.monochrome1,
    );
  }

  /** Nothing of this frame is here: the former one stays for a moment, then is dimmed; a frame that failed shows nothing. */
  private wait(): void {
    const { stream } = this;
    if (this.shownFrame === `${stream.series}/${stream.frame}` && !stream.failure()) return;
    if (stream.failure() || stream.entry.showable !== true) return this.painter.clear();
    const now = performance.now();
    this.emptySince ||= now;
    if (now - this.emptySince >= DIM_AFTER) this.page.view.classList.add("waiting");
    else setTimeout(() => this.schedule(), DIM_AFTER);
  }

  private showTiles(): void {
    const area = this.stream.tiles;
    if (!area) return this.detail.hide();
    const stage = this.stageSize;
    const held = this.tiles();
    const view = `${this.stream.series}/${this.stream.frame}/${this.stream.changes}/${this.inverted}`;
    for (const tile of this.detail.show(area, stage, held, view, this.inverted)) this.decode(tile);
    this.level = this.detail.level(area, stage);
    this.whole = area.level === 0;
  }

  private decode(wanted: Picture<Decoded>): void {
    if (this.decoding.has(wanted)) return;
    this.decoding.add(wanted);
    this.page
      .decode(wanted.bytes, wanted.format)
      .then((bitmap) => this.stream.store.keepBitmap(wanted, bitmap))
      .catch(() => this.stream.undecodable(wanted))
      .finally(() => {
        this.decoding.delete(wanted);
        this.schedule();
      });
  }

  /** Decodes the next frames in the direction of travel while there is time, so that a fast finger finds them ready. */
  private decodeAhead(): void {
    if (this.decoding.size > 0) return;
    for (let step = 1; step <= DECODE_AHEAD; step += 1) {
      const next = this.stream.ahead(step);
      if (next && !next.bitmap) return this.decode(next);
    }
  }

  /** Magnification against the whole picture fitted. */
  get magnification(): number {
    return this.camera.scale / this.fitted;
  }
}
