/** Performance marks of the contract: `first-image`, `screen-image`, `final-image`, with `:N` for the Nth change of frame or window. */
import type { Level } from "../core/choose";

const NAMES = ["first-image", "screen-image", "final-image"] as const;

export class Marks {
  private change = 0;
  private reached: number;

  /** `first` tells that the boot script has already set the very first mark. */
  constructor(first: boolean) {
    this.reached = first ? 1 : 0;
  }

  /** Sets the marks that what is now on screen has earned. `exact`: rendered by the server for the wanted frame and window. */
  report(change: number, level: Level, exact: boolean): void {
    if (change !== this.change) {
      this.change = change;
      this.reached = 0;
    }
    const earned = { none: 0, preview: exact ? 1 : 0, screen: 2, final: 3 }[level];
    for (const name of NAMES.slice(this.reached, earned)) performance.mark(change > 0 ? `${name}:${change}` : name);
    this.reached = Math.max(this.reached, earned);
  }
}
