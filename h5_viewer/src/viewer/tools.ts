/** What buttons, keys and fingers do: one table, so that all three do the same. */
import type { Point } from "../core/geometry";
import type { Preset, Window } from "../core/protocol";
import type { Stream } from "../core/stream";
import { dragged } from "../core/window";
import * as texts from "../texts";
import type { Cine } from "./cine";
import type { Acts, Mode } from "./gestures";
import type { Decoded } from "./handover";
import type { Screen } from "./screen";

/** Half of the viewport's height goes through this many frames at most when dragged slowly. */
const LEAST_PER_FRAME = 5;
const MOST_PER_FRAME = 28;
/** Above this speed (CSS pixels per millisecond) a drag skips frames. */
const FAST = 0.9;

export class Tools implements Acts {
  private current: Mode = "scroll";
  private readonly listeners: (() => void)[] = [];
  private windowStart: Window | null = null;
  private rest = 0;

  constructor(
    readonly stream: Stream<Decoded>,
    readonly screen: Screen,
    readonly cine: Cine,
  ) {}

  /** Runs when a tool's state changes. */
  onChange(run: () => void): void {
    this.listeners.push(run);
  }

  changed(): void {
    for (const run of this.listeners) run();
  }

  /** True if the series has a window to change. */
  windowed(): boolean {
    const { colour, showable } = this.stream.entry;
    return !colour && showable === true;
  }

  /** True if the series has frames to go through. */
  scrolled(): boolean {
    const { frames, showable } = this.stream.entry;
    return frames > 1 && showable === true;
  }

  /** The chosen mode, or what stands in for it where the series has no frames to scroll or no window. */
  mode(): Mode {
    if (this.current === "window" && !this.windowed()) return this.scrolled() ? "scroll" : "pan";
    return this.current === "scroll" && !this.scrolled() ? "pan" : this.current;
  }

  setMode(mode: Mode): void {
    this.current = mode;
    this.changed();
  }

  /** Presets of the series; the frame's own window is the last one if it is none of them. */
  presets(): Preset[] {
    const { presets, colour } = this.stream.entry;
    if (colour) return [];
    return presets.some((preset) => preset.window === null)
      ? presets
      : [...presets, { name: texts.ownWindow, window: null }];
  }

  preset(index: number): void {
    const preset = this.presets()[index];
    if (preset) this.stream.setWindow(preset.window);
  }

  /** Moves by so many frames. */
  step(steps: number): void {
    this.cine.stop();
    this.stream.goto(this.stream.frame + steps);
  }

  select(series: number): void {
    this.cine.stop();
    this.stream.select(series);
    this.cine.fps = this.stream.entry.fps || 15;
    this.screen.restart();
    this.changed();
  }

  begin(mode: Mode): void {
    this.rest = 0;
    if (mode === "pan") return;
    this.cine.stop();
    this.windowStart = mode === "window" && !this.stream.entry.colour ? this.stream.shownWindow() : null;
    this.stream.hold(true);
  }

  drag(mode: Mode, dx: number, dy: number, total: Point, speed: number): void {
    if (mode === "pan") return this.pan(dx, dy);
    if (mode === "window") {
      if (this.windowStart) this.stream.setWindow(dragged(this.windowStart, ...total));
      return;
    }
    const share = (this.screen.viewport[1] * 0.8) / this.stream.entry.frames;
    const way = Math.min(MOST_PER_FRAME, Math.max(LEAST_PER_FRAME, share));
    this.rest += (dy * Math.max(1, speed / FAST)) / way;
    const steps = Math.trunc(this.rest);
    this.rest -= steps;
    if (steps !== 0) this.stream.goto(this.stream.frame + steps);
  }

  end(mode: Mode): void {
    if (mode !== "pan") this.stream.hold(false);
    this.changed();
  }

  zoom(factor: number, at: Point): void {
    this.screen.zoom(factor, at);
  }

  pan(dx: number, dy: number): void {
    this.screen.pan(dx, dy);
  }

  settled(): void {
    if (this.screen.magnification < 1.03) this.screen.fit();
  }

  doubleTap(at: Point): void {
    this.screen.toggleWhole(at);
  }
}
