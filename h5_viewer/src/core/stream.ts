/**
 * One exam on one screen: what is looked at, what is held, what the server is told. The person's acts come in as calls, pictures and states go out
 * as events. No DOM: sockets, time and fetch are given from outside, so that the mini-program can use it as it is.
 */
import { choose, haveOf, type Choice, type Wanted } from "./choose";
import { HttpPictures, type Fetch } from "./http";
import { Link, type LinkState, type Renewal, type SocketLike, type Timers } from "./link";
import {
  sameWindow,
  type ClientMessage,
  type FrameHeader,
  type Manifest,
  type PictureHeader,
  type Problem,
  type Rect,
  type SeriesEntry,
  type ServerText,
  type Size,
  type TileArea,
  type ViewMessage,
  type Window,
} from "./protocol";
import { KEEP_ENCODED, picture, PictureStore, type Picture } from "./store";

/** Views are told no faster than this. */
const TELL_EVERY = 16;
/** After the last step of a wheel, a key or a call, this long until the view counts as at rest. */
const SETTLE = 140;

/** Stands in where the exam has no series yet. */
const NOTHING: SeriesEntry = {
  i: 0,
  modality: "",
  number: null,
  description: "",
  frames: 0,
  rows: 1,
  columns: 1,
  colour: true,
  window: null,
  presets: [],
  spacing: null,
  spacing_from: null,
  value_unit: "",
  orientation: null,
  fps: 0,
  default_frame: 0,
  lossy: false,
  monochrome1: false,
  showable: "",
};

export interface StreamEvents {
  /** What is seen or what is held changed: paint anew. */
  changed(): void;
  /** The series list changed. */
  series(): void;
  problem(problem: Problem): void;
  state(state: LinkState): void;
  /** By HTTP: whether the server answers. */
  reachable(yes: boolean): void;
}
export interface StreamNeeds<B> {
  connect(): SocketLike;
  fetch: Fetch;
  timers: Timers;
  close(bitmap: B): void;
}

export class Stream<B> {
  readonly store: PictureStore<B>;
  readonly link: Link;
  /** What is looked at. */
  series: number;
  frame: number;
  /** Null: each frame's own default. */
  window: Window | null = null;
  fit: Size = [1, 1];
  tiles: TileArea | null = null;
  /** How often frame, window or series were changed. */
  changes = 0;
  /** The window of the contact sheets that the server sends, by series. */
  private readonly sheetWindows = new Map<number, Window | null>();
  private missingTiles: readonly Rect[] = [];
  private seq = 0;
  private dir: -1 | 0 | 1 = 0;
  private holding = false;
  private moving = false;
  private cancelSettle: (() => void) | null = null;
  private cancelTell: (() => void) | null = null;
  private toldAt = Number.NEGATIVE_INFINITY;
  private readonly http: HttpPictures;
  private readonly failed = new Map<string, Problem>();

  constructor(
    public manifest: Manifest,
    at: { series: number; frame: number },
    private readonly needs: StreamNeeds<B>,
    private readonly events: StreamEvents,
  ) {
    this.series = at.series;
    this.frame = at.frame;
    this.store = new PictureStore<B>(needs.close);
    const arrived = (header: PictureHeader, bytes: Uint8Array<ArrayBuffer>): void => this.arrived(header, bytes);
    this.link = new Link(
      {
        connect: needs.connect,
        timers: needs.timers,
        hello: () => this.hello(),
        renew: () => this.renew(),
        waiting: () => this.waiting(),
      },
      { text: (message) => this.read(message), picture: arrived, state: (state) => this.linkChanged(state) },
    );
    this.http = new HttpPictures(manifest.exam, needs.fetch, needs.timers, {
      picture: arrived,
      problem: (problem) => this.fail(problem),
      expired: () => this.link.expire(),
      reachable: (yes) => events.reachable(yes),
    });
  }

  /** The series that is looked at. */
  get entry(): SeriesEntry {
    return this.manifest.series[this.series] ?? NOTHING;
  }

  get wanted(): Wanted {
    return { series: this.series, frame: this.frame, window: this.window, fit: this.fit };
  }

  /** The best picture held of what is looked at; `usable` narrows, for instance to decoded ones. */
  best(usable?: (p: { bitmap: B | null }) => boolean): Choice<B> | null {
    return choose(this.store.of(this.series, this.frame), this.wanted, this.shownWindow(), usable);
  }

  /** The window in numbers: the one that was set, or the one that the server took for this frame; null for colour. */
  shownWindow(): Window | null {
    if (this.window) return this.window;
    const own = this.store.of(this.series, this.frame).find((p) => p.auto && p.window);
    return own?.window ?? this.entry.window;
  }

  /** The best picture of a frame some steps ahead in the direction of travel; the first frame follows the last. */
  ahead(step: number): Picture<B> | null {
    const { frames } = this.entry;
    const frame = (this.frame + step * (this.dir || 1) + frames) % frames;
    const wanted = { ...this.wanted, frame };
    return choose(this.store.of(this.series, frame), wanted, this.shownWindow())?.picture ?? null;
  }

  /** A picture's bytes cannot be decoded: it goes, and if nothing else of its frame is left the person is told. */
  undecodable(bad: Picture<B>): void {
    this.store.drop(bad);
    const frame = bad.frames[0] ?? 0;
    if (bad.kind === "frame" && this.store.of(bad.series, frame).length === 0) {
      this.fail({ t: "problem", code: "undecodable", text: "", retry: null, series: bad.series, frame });
    }
  }

  /** The sentence why the seen frame has no picture, if it has none. */
  failure(): Problem | null {
    return this.failed.get(`${this.series}/${this.frame}`) ?? null;
  }

  /** Keeps the picture that came with the page. */
  adopt(header: FrameHeader, bytes: Uint8Array<ArrayBuffer>, bitmap: B): void {
    this.store.put({ ...picture<B>(header, bytes), bitmap });
  }

  /** Frame k of the same series, clamped; true if that is another one. */
  goto(frame: number): boolean {
    const next = Math.max(0, Math.min(this.entry.frames - 1, Math.round(frame)));
    if (next === this.frame || !Number.isFinite(frame)) return false;
    const step = next - this.frame;
    this.dir = Math.abs(step) > this.entry.frames / 4 && Math.abs(step) > 8 ? 0 : step > 0 ? 1 : -1;
    this.frame = next;
    this.changed();
    return true;
  }

  /** Another series, at its default frame and window. */
  select(series: number): void {
    const entry = this.manifest.series[series];
    if (!entry || series === this.series) return;
    this.series = series;
    this.frame = Math.max(0, Math.min(entry.frames - 1, entry.default_frame));
    this.window = null;
    this.dir = 0;
    this.changed();
  }

  /** Another window; null returns to each frame's own. Ignored for colour, and for a width that is none. */
  setWindow(window: Window | null): void {
    if (this.entry.colour || sameWindow(window, this.window)) return;
    if (window && !(window.every(Number.isFinite) && window[1] > 0)) return;
    this.window = window;
    this.changed();
  }

  /** Another size on the screen, or other tiles; not counted as a change of what is looked at. */
  setScreen(fit: Size, tiles: TileArea | null, missing: readonly Rect[]): void {
    const same = fit.join() === this.fit.join() && JSON.stringify(tiles) === JSON.stringify(this.tiles);
    this.missingTiles = missing;
    if (same) return;
    if (tiles?.level !== this.tiles?.level) this.store.dropTiles();
    this.fit = fit;
    this.tiles = tiles;
    this.tell();
  }

  /** A finger is down or the cine plays: quick pictures now, exact ones later. */
  hold(down: boolean): void {
    this.holding = down;
    if (down) this.setMoving(true);
    else this.settle(0);
  }

  /** Forgets a frame's failure and asks again. */
  again(): void {
    this.failed.clear();
    this.events.changed();
    this.tell();
  }

  /** Drops all pictures and connections. */
  stop(): void {
    this.link.stop();
    this.http.stop();
    this.cancelSettle?.();
    this.cancelTell?.();
    this.store.clear();
  }

  /** True while a better picture of what is looked at is expected. */
  waiting(): boolean {
    if (this.entry.showable !== true || this.failure()) return false;
    if (this.tiles) return haveOf(this.best()) < 1 || this.missingTiles.length > 0;
    return haveOf(this.best()) < (this.moving ? 1 : 2);
  }

  private changed(): void {
    this.changes += 1;
    this.store.dropTiles();
    this.setMoving(true);
    if (!this.holding) this.settle(SETTLE);
    this.events.changed();
    this.tell();
  }

  private setMoving(moving: boolean): void {
    this.cancelSettle?.();
    this.cancelSettle = null;
    if (moving === this.moving) return;
    this.moving = moving;
    this.tell();
  }

  private settle(delay: number): void {
    this.cancelSettle?.();
    this.cancelSettle = this.needs.timers.after(delay, () => this.setMoving(false));
  }

  /** Tells the server what is looked at, at most every few milliseconds, always the newest. */
  private tell(): void {
    if (this.cancelTell) return;
    const wait = this.toldAt + TELL_EVERY - this.needs.timers.now();
    if (wait <= 0) return this.tellNow();
    this.cancelTell = this.needs.timers.after(wait, () => {
      this.cancelTell = null;
      this.tellNow();
    });
  }

  private tellNow(): void {
    this.toldAt = this.needs.timers.now();
    if (this.entry.showable !== true || this.entry.frames < 1) return;
    this.seq += 1;
    const view: ViewMessage = {
      t: "view",
      seq: this.seq,
      series: this.series,
      frame: this.frame,
      window: this.window,
      fit: this.fit,
      tiles: this.tiles,
      moving: this.moving,
      dir: this.dir,
      have: haveOf(this.best()),
    };
    if (this.link.state === "unreachable") this.http.want(view, this.entry.frames, this.missingTiles);
    else if (this.link.send(view)) this.tellSheets();
  }

  /** At rest under another window than that of the contact sheets, new ones are asked for. The first view of a series sets it. */
  private tellSheets(): void {
    const { series, window } = this;
    const known = this.sheetWindows.get(series);
    if (known === undefined) this.sheetWindows.set(series, window);
    if (known === undefined || this.moving || this.entry.frames < 2 || sameWindow(known, window)) return;
    this.sheetWindows.set(series, window);
    this.link.send({ t: "overview", series, window });
  }

  private hello(): ClientMessage {
    const { columns, rows } = this.entry;
    const have = this.store.held(this.series, this.window, this.fit, [columns, rows]);
    this.sheetWindows.clear();
    this.sheetWindows.set(this.series, this.window);
    return { t: "open", ticket: this.manifest.ticket, v: 1, keep: KEEP_ENCODED, have };
  }

  private linkChanged(state: LinkState): void {
    if (state !== "unreachable") this.http.stop();
    this.events.state(state);
    if (state === "open" || state === "unreachable") this.tellNow();
  }

  private read(message: ServerText): void {
    if (message.t === "ready") this.refresh(message.manifest);
    else if (message.t === "series") {
      this.renumber(message.i, message.entry);
      this.manifest.series[message.i] = message.entry;
      this.followSeries();
    } else if (message.t === "problem") this.fail(message);
  }

  private refresh(manifest: Manifest): void {
    for (const [i, entry] of manifest.series.entries()) this.renumber(i, entry);
    this.manifest = manifest;
    this.followSeries();
  }

  /** A series that changed may have given its frames other numbers: what is held of it is void. */
  private renumber(i: number, entry: SeriesEntry): void {
    const known = this.manifest.series[i];
    if (known && JSON.stringify(known) !== JSON.stringify(entry)) this.store.dropSeries(i);
  }

  private followSeries(): void {
    this.frame = Math.min(this.frame, Math.max(0, this.entry.frames - 1));
    this.events.series();
    this.events.changed();
    this.tell();
  }

  private fail(problem: Problem): void {
    // What is tried again is no failure of the frame.
    if (problem.series === undefined || problem.frame === undefined || problem.retry !== null)
      return this.events.problem(problem);
    this.failed.set(`${problem.series}/${problem.frame}`, problem);
    this.events.changed();
  }

  private arrived(header: PictureHeader, bytes: Uint8Array<ArrayBuffer>): void {
    if (
      header.k === "tile" &&
      (header.s !== this.series || header.f !== this.frame || header.level !== this.tiles?.level)
    )
      return;
    if (header.k !== "sheet") this.failed.delete(`${header.s}/${header.f}`);
    this.store.put(picture<B>(header, bytes));
    this.events.changed();
  }

  private async renew(): Promise<Renewal> {
    try {
      const answer = await this.needs.fetch(`/api/v1/exams/${this.manifest.exam}/manifest`, {
        signal: new AbortController().signal,
      });
      if (answer.status === 401) return "expired";
      if (answer.status === 403 || answer.status === 404) return "revoked";
      if (!answer.ok) return "offline";
      this.refresh((await answer.json()) as Manifest);
      return "renewed";
    } catch {
      return "offline";
    }
  }
}
