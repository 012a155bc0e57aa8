/** Plays the frames in a loop, at a pace that the person chooses; waits for frames that have not arrived. */
export interface CineNeeds {
  /** True if the next frame can be shown at once. */
  ready(): boolean;
  advance(): void;
  changed(playing: boolean): void;
}

/** A frame that has not arrived is waited for this long. */
const PATIENCE = 1500;
export const SPEEDS = [5, 10, 15, 25, 30] as const;

export class Cine {
  playing = false;
  private last = 0;

  constructor(
    public fps: number,
    private readonly needs: CineNeeds,
  ) {}

  toggle(): void {
    if (this.playing) this.stop();
    else this.start();
  }

  stop(): void {
    if (!this.playing) return;
    this.playing = false;
    this.needs.changed(false);
  }

  private start(): void {
    this.playing = true;
    this.last = performance.now();
    this.needs.changed(true);
    requestAnimationFrame(this.tick);
  }

  private readonly tick = (now: number): void => {
    if (!this.playing) return;
    const period = 1000 / this.fps;
    const late = now - this.last > PATIENCE;
    if (now - this.last >= period - 2 && (late || this.needs.ready())) {
      // A late display frame does not make the following ones hurry.
      this.last = now - this.last > 2 * period ? now : this.last + period;
      this.needs.advance();
    }
    requestAnimationFrame(this.tick);
  };
}
