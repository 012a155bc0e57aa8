/** Which of the held pictures is shown, and what may truthfully be said of it. No DOM. */
import type { Size, Window } from "./protocol";
import { fitsWindow, type Picture } from "./store";

/** What the screen should show. `fit` is the size in pixels that the screen can take. */
export interface Wanted {
  series: number;
  frame: number;
  window: Window | null;
  fit: Size;
}

/**
 * What a picture is worth for a view, worst first. `approximate` ones were rendered for another window and are remapped on the
 * terminal; `covered` means that the old window holds all values of the new one, so that nothing is cut off.
 */
export const enum Rank {
  ApproximateCell = 1,
  Approximate,
  Cell,
  ApproximateCovered,
  OtherSize,
  Screen,
  Lossless,
}

/** What is on screen: nothing of this frame; less than the screen can show, or not exact; the screen's resolution; lossless. */
export type Level = "none" | "preview" | "screen" | "final";

export interface Choice<B> {
  picture: Picture<B>;
  rank: Rank;
}

/** True if every value that `to` distinguishes lies (nearly) inside `from`. */
function covers(from: Window | null, to: Window): boolean {
  return from !== null && Math.abs(from[0] - to[0]) + to[1] / 2 <= (from[1] / 2) * 1.2;
}

/** The worth of a picture of the wanted frame, 0 for none. `shown` is the window that null stands for, where known. */
export function rank(p: Picture<unknown>, wanted: Wanted, shown: Window | null): Rank | 0 {
  if (p.kind === "tile") return 0;
  const exact = fitsWindow(p, wanted.window);
  if (!exact) {
    const target = wanted.window ?? shown;
    if (target === null || p.window === null) return 0;
    if (p.kind === "sheet") return Rank.ApproximateCell;
    return covers(p.window, target) ? Rank.ApproximateCovered : Rank.Approximate;
  }
  if (p.kind === "sheet") return Rank.Cell;
  if (p.size[0] !== wanted.fit[0] || p.size[1] !== wanted.fit[1]) return Rank.OtherSize;
  return p.lossless ? Rank.Lossless : Rank.Screen;
}

/** The best picture; among equals the one that answers the newest view, so that nothing stale is painted after something newer. */
export function choose<B>(
  pictures: readonly Picture<B>[],
  wanted: Wanted,
  shown: Window | null,
  usable: (p: Picture<B>) => boolean = () => true,
): Choice<B> | null {
  let best: Choice<B> | null = null;
  for (const picture of pictures) {
    const worth = rank(picture, wanted, shown);
    if (worth === 0 || !usable(picture)) continue;
    if (best && (worth < best.rank || (worth === best.rank && picture.seq < best.picture.seq))) continue;
    best = { picture, rank: worth };
  }
  return best;
}

/** True if the picture was rendered by the server for exactly the wanted window. */
export function isExact(worth: Rank): boolean {
  return worth === Rank.Cell || worth >= Rank.OtherSize;
}

/** The level of a whole picture; tiles may raise it (`detail.ts`). */
export function levelOf(choice: Choice<unknown> | null, wanted: Wanted): Level {
  if (choice === null) return "none";
  if (choice.rank === Rank.Lossless) return "final";
  if (choice.rank === Rank.Screen) return "screen";
  const { size } = choice.picture;
  const fills = size[0] >= wanted.fit[0] && size[1] >= wanted.fit[1];
  return choice.rank === Rank.OtherSize && fills ? "screen" : "preview";
}

/** What is told to the server about the seen frame: 0 nothing useful, 1 a picture of this size and window, 2 the lossless one. */
export function haveOf(best: Choice<unknown> | null): 0 | 1 | 2 {
  if (best?.rank === Rank.Lossless) return 2;
  return best?.rank === Rank.Screen ? 1 : 0;
}
