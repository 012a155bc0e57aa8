/** Pictures by HTTP GET where no socket opens: what is seen first, then the next frames in the direction of travel; one request at a time. No DOM. */
import type { PictureHeader, Problem, Rect, ViewMessage, Window } from "./protocol";
import { TILE } from "./geometry";
import type { Timers } from "./link";

const AHEAD = 3;
const AGAIN = 2000;

/** The part of `fetch` that is used. */
export type Fetch = (url: string, options: { signal: AbortSignal }) => Promise<Response>;

export interface HttpEvents {
  picture(header: PictureHeader, bytes: Uint8Array<ArrayBuffer>): void;
  problem(problem: Problem): void;
  /** The session ended. */
  expired(): void;
  /** True when a picture came, false when the network failed. */
  reachable(yes: boolean): void;
}

/** What is asked for: one frame or one tile, in one format. */
interface Item {
  frame: number;
  tile: { level: number; rect: Rect } | null;
  format: "jpeg" | "png";
}

const query = (window: Window | null, rest: Record<string, string>): string =>
  new URLSearchParams({ ...(window ? { window: window.join(",") } : {}), ...rest }).toString();

/** The path of one picture below the exam. */
export function picturePath(view: ViewMessage, item: Item): string {
  const base = `series/${view.series}/frames/${item.frame}`;
  const format = { format: item.format, ...(item.format === "jpeg" ? { quality: view.moving ? "60" : "80" } : {}) };
  if (item.tile) {
    const { level, rect } = item.tile;
    return `${base}/tiles/${level}/${rect[0] / TILE}/${rect[1] / TILE}?${query(view.window, format)}`;
  }
  return `${base}/picture?${query(view.window, { fit: view.fit.join(","), ...format })}`;
}

/** The header that the socket would have sent with this picture. */
function headerOf(view: ViewMessage, { frame, tile, format }: Item, headers: Headers): PictureHeader {
  const told = headers.get("X-Window")?.split(",").map(Number);
  const same = {
    seq: view.seq,
    s: view.series,
    f: frame,
    // The requested numbers, not those of the header: they must be equal to the last digit. Colour has no window.
    win: told ? (view.window ?? ([told[0] ?? 0, told[1] ?? 1] as const)) : null,
    auto: view.window === null,
    fmt: format,
    lossless: headers.get("X-Lossless") === "true",
  };
  return tile
    ? { k: "tile", ...same, level: tile.level, rect: tile.rect }
    : { k: "frame", ...same, size: view.fit, full: view.fit };
}

export class HttpPictures {
  private running: AbortController | null = null;
  private cancelAgain: (() => void) | null = null;

  constructor(
    private readonly exam: string,
    private readonly fetch: Fetch,
    private readonly timers: Timers,
    private readonly events: HttpEvents,
  ) {}

  /** Drops what is under way for an older view and loads this one's pictures; `tiles` are those not yet held. */
  want(view: ViewMessage, frames: number, tiles: readonly Rect[]): void {
    this.stop();
    const running = new AbortController();
    this.running = running;
    void this.run(view, this.plan(view, frames, tiles), running.signal);
  }

  /** Stops all requests. */
  stop(): void {
    this.running?.abort();
    this.cancelAgain?.();
    this.running = this.cancelAgain = null;
  }

  private plan(view: ViewMessage, frames: number, tiles: readonly Rect[]): Item[] {
    const seen = { frame: view.frame, tile: null };
    const level = view.tiles?.level ?? 0;
    const items: Item[] = [];
    if (view.have < 1) items.push({ ...seen, format: "jpeg" });
    items.push(
      ...tiles.map(
        (rect) => ({ frame: view.frame, tile: { level, rect }, format: view.moving ? "jpeg" : "png" }) as const,
      ),
    );
    if (!view.moving && view.have < 2) items.push({ ...seen, format: "png" });
    for (let step = 1; step <= AHEAD; step += 1) {
      const frame = view.frame + step * (view.dir || 1);
      if (frame >= 0 && frame < frames) items.push({ frame, tile: null, format: "jpeg" });
    }
    return items;
  }

  private async run(view: ViewMessage, items: Item[], signal: AbortSignal): Promise<void> {
    for (const [index, item] of items.entries()) {
      try {
        // One after the other on purpose: what is seen must not share the link.
        // oxlint-disable-next-line no-await-in-loop
        if (!(await this.load(view, item, signal))) return;
      } catch {
        if (signal.aborted) return;
        this.events.reachable(false);
        this.cancelAgain = this.timers.after(AGAIN, () => void this.run(view, items.slice(index), signal));
        return;
      }
    }
  }

  private async load(view: ViewMessage, item: Item, signal: AbortSignal): Promise<boolean> {
    const answer = await this.fetch(`/api/v1/exams/${this.exam}/${picturePath(view, item)}`, { signal });
    if (answer.status === 401) {
      this.events.expired();
      return false;
    }
    if (!answer.ok) {
      const body = (await answer.json().catch(() => ({}))) as { detail?: string; code?: string };
      this.events.problem({
        t: "problem",
        code: body.code ?? `http-${answer.status}`,
        text: body.detail ?? "",
        retry: null,
        series: view.series,
        frame: item.frame,
      });
      return answer.status < 500;
    }
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (signal.aborted) return false;
    this.events.reachable(true);
    this.events.picture(headerOf(view, item, answer.headers), bytes);
    return true;
  }
}
