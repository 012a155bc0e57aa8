/** Fingers, mouse and wheel on the picture, told as acts. */
import type { Point } from "../core/geometry";

export type Mode = "scroll" | "window" | "pan";

/** What a gesture does. Movements are CSS pixels; points are from the viewport's centre. */
export interface Acts {
  /** The tool of one finger and of the left button. */
  mode(): Mode;
  begin(mode: Mode): void;
  /** `dx`, `dy` since the last call, `total` since `begin`; `speed` in pixels per millisecond. */
  drag(mode: Mode, dx: number, dy: number, total: Point, speed: number): void;
  end(mode: Mode): void;
  zoom(factor: number, at: Point): void;
  pan(dx: number, dy: number): void;
  /** Two fingers have left. */
  settled(): void;
  doubleTap(at: Point): void;
  /** The wheel was turned by so many steps. */
  step(steps: number): void;
}

const SLOP = 6;
const TAP_TIME = 300;
const TAP_WAY = 32;
const WHEEL_STEP = 40;
const NOTCH = 80;

interface Drag {
  mode: Mode;
  start: Point;
  last: Point;
  at: number;
  begun: boolean;
}

class Gestures {
  private readonly fingers = new Map<number, Point>();
  private drag: Drag | null = null;
  private tap: { at: number; point: Point } | null = null;
  private pinched = false;
  private pointer = "";
  private wheel = 0;

  constructor(
    private readonly view: HTMLElement,
    private readonly acts: Acts,
  ) {}

  listen(): void {
    const { view, acts } = this;
    view.addEventListener("pointerdown", (event) => this.down(event));
    view.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"] as const) view.addEventListener(name, (event) => this.up(event));
    view.addEventListener("wheel", (event) => this.turn(event), { passive: false });
    view.addEventListener("contextmenu", (event) => event.preventDefault());
    // A finger's double tap is found in `tapped`; browsers tell it as a double click too.
    view.addEventListener("dblclick", (event) => this.pointer === "mouse" && acts.doubleTap(this.point(event)));
    // Safari zooms the page by its own gesture events, whatever touch-action says.
    view.addEventListener("gesturestart", (event) => event.preventDefault());
  }

  private point(event: { clientX: number; clientY: number }): Point {
    const { left, top, width, height } = this.view.getBoundingClientRect();
    return [event.clientX - left - width / 2, event.clientY - top - height / 2];
  }

  private down(event: PointerEvent): void {
    if (event.target instanceof Element && event.target.closest("button, a")) return;
    this.pointer = event.pointerType;
    this.view.setPointerCapture(event.pointerId);
    this.view.focus({ preventScroll: true });
    const point = this.point(event);
    this.fingers.set(event.pointerId, point);
    if (this.fingers.size > 1) {
      this.finish();
      this.pinched = true;
      return;
    }
    const byButton: Record<number, Mode> = { 1: "pan", 2: "window" };
    const mode = (event.pointerType === "mouse" && byButton[event.button]) || this.acts.mode();
    if (event.button === 1) event.preventDefault();
    this.drag = { mode, start: point, last: point, at: event.timeStamp, begun: false };
  }

  private move(event: PointerEvent): void {
    const old = this.fingers.get(event.pointerId);
    if (!old) return;
    const point = this.point(event);
    if (this.fingers.size === 2) this.pinch(event.pointerId, old, point);
    this.fingers.set(event.pointerId, point);
    if (this.drag) this.pull(this.drag, point, event.timeStamp);
  }

  private pinch(id: number, old: Point, point: Point): void {
    const other = [...this.fingers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const before = Math.hypot(old[0] - other[0], old[1] - other[1]);
    const after = Math.hypot(point[0] - other[0], point[1] - other[1]);
    const centre: Point = [(point[0] + other[0]) / 2, (point[1] + other[1]) / 2];
    this.acts.pan((point[0] - old[0]) / 2, (point[1] - old[1]) / 2);
    if (before > 10 && after > 10) this.acts.zoom(after / before, centre);
  }

  private pull(drag: Drag, point: Point, time: number): void {
    const total: Point = [point[0] - drag.start[0], point[1] - drag.start[1]];
    if (!drag.begun) {
      if (Math.hypot(...total) < SLOP) return;
      drag.begun = true;
      this.acts.begin(drag.mode);
    }
    const [dx, dy] = [point[0] - drag.last[0], point[1] - drag.last[1]];
    const speed = Math.hypot(dx, dy) / Math.max(1, time - drag.at);
    drag.last = point;
    drag.at = time;
    this.acts.drag(drag.mode, dx, dy, total, speed);
  }

  private up(event: PointerEvent): void {
    const point = this.fingers.get(event.pointerId);
    if (!point || !this.fingers.delete(event.pointerId)) return;
    const tapped = this.drag !== null && !this.drag.begun && !this.pinched && event.pointerType !== "mouse";
    if (tapped) this.tapped(point, event.timeStamp);
    this.finish();
    if (this.fingers.size > 0 || !this.pinched) return;
    this.pinched = false;
    this.acts.settled();
  }

  private tapped(point: Point, at: number): void {
    const { tap } = this;
    const second =
      tap && at - tap.at < TAP_TIME && Math.hypot(point[0] - tap.point[0], point[1] - tap.point[1]) < TAP_WAY;
    this.tap = second ? null : { at, point };
    if (second) this.acts.doubleTap(point);
  }

  private finish(): void {
    const { drag } = this;
    this.drag = null;
    if (drag?.begun) this.acts.end(drag.mode);
  }

  private turn(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === 0 ? 1 : WHEEL_STEP;
    if (event.ctrlKey || event.metaKey)
      return this.acts.zoom(Math.exp(-event.deltaY * lines * 0.002), this.point(event));
    const steps = this.steps(event.deltaY * lines);
    if (steps !== 0) this.acts.step(steps);
  }

  /** A notch of a wheel is one frame; the fine movements of a touch pad add up to one. */
  private steps(delta: number): number {
    if (Math.abs(delta) >= NOTCH) {
      this.wheel = 0;
      return Math.sign(delta) * Math.max(1, Math.round(Math.abs(delta) / (1.5 * NOTCH)));
    }
    if (Math.sign(delta) !== Math.sign(this.wheel)) this.wheel = 0;
    this.wheel += delta;
    const steps = Math.trunc(this.wheel / WHEEL_STEP);
    this.wheel -= steps * WHEEL_STEP;
    return steps;
  }
}

/** Tells the acts of all fingers on an element from now on. */
export function followGestures(view: HTMLElement, acts: Acts): void {
  new Gestures(view, acts).listen();
}
