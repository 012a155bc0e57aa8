/** Window arithmetic of the terminal: what a drag means, and the approximation shown until the exact picture is here. No DOM. */
import type { Window } from "./protocol";

/** A finger's way in CSS pixels that changes the window by its whole width. */
const DRAG_PER_WIDTH = 320;
/** Widths from here on are worked in whole values. */
const WHOLE_FROM = 40;

/** The window after a drag: right is wider (less contrast), up is brighter. */
export function dragged(start: Window, dx: number, dy: number): Window {
  const step = start[1] / DRAG_PER_WIDTH;
  const round = start[1] >= WHOLE_FROM ? Math.round : (v: number): number => Math.round(v * 100) / 100;
  // The linear function wants a width of at least 1 (PS3.3 C.11.2.1.2); values that span less are not worked in ones.
  const least = start[1] < 2 ? 0.01 : 1;
  return [round(start[0] + dy * step), Math.max(least, round(start[1] + dx * step))];
}

/**
 * A table from 8-bit values rendered under one window to about what another would give (PS3.3 C.11.2.1.2, linear). Values cut off by the old window
 * stay unknown: this is feedback under the finger, marked as not exact, until the server's picture arrives.
 */
export function remapTable(from: Window, to: Window, monochrome1: boolean): Uint8ClampedArray {
  const table = new Uint8ClampedArray(256);
  for (let v = 0; v < 256; v += 1) {
    const y = (monochrome1 ? 255 - v : v) / 255;
    const value = from[0] - 0.5 + (y - 0.5) * (from[1] - 1);
    const mapped = 255 * ((value - (to[0] - 0.5)) / Math.max(to[1] - 1, 1e-3) + 0.5);
    const clamped = Math.min(255, Math.max(0, mapped));
    table[v] = monochrome1 ? 255 - clamped : clamped;
  }
  return table;
}
