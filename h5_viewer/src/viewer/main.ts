/** Connects the parts: takes over from the boot script, and gives the page to its owner again when it is left. */
import "./main.css";
import type { Link, SocketLike } from "../core/link";
import type { Window as ImageWindow } from "../core/protocol";
import { Stream } from "../core/stream";
import * as texts from "../texts";
import { Cine } from "./cine";
import { fill, make } from "./elements";
import { followGestures } from "./gestures";
import type { Decoded, Handover } from "./handover";
import { icon } from "./icons";
import { listenKeys } from "./keyboard";
import { Overlay } from "./overlay";
import { Panels } from "./panels";
import { Screen } from "./screen";
import { Scrubber } from "./scrubber";
import { Status } from "./status";
import { Strip } from "./strip";
import { Toolbar } from "./toolbar";
import { Tools } from "./tools";

/** What scripts and tests may do, as a finger would. */
interface Yunying {
  count(): number;
  goto(frame: number): void;
  setWindow(center: number, width: number): void;
  state(): {
    exam: string;
    series: number;
    frame: number;
    window: ImageWindow | null;
    grade: string;
    level: string;
    pending: boolean;
  };
}
declare global {
  interface Window {
    yunying?: Yunying;
  }
}

/** The linear window that leaves 8 bits as they are (PS3.3 C.11.2.1.2.1): what a colour picture is shown with. */
const UNCHANGED: ImageWindow = [128, 256];
/** Thumbnails wait for the first picture to be exact, but no longer than this. */
const THUMBNAILS_AFTER = 2500;

const timers = {
  now: () => performance.now(),
  after: (ms: number, run: () => void) => {
    const id = setTimeout(run, ms);
    return () => clearTimeout(id);
  },
};

/** A WebSocket as the core sees it; only the types of the event arguments differ. */
const asSocket = (socket: WebSocket): SocketLike => socket as unknown as SocketLike;

function newStream(
  page: Handover,
  events: { screen?: Screen; status?: Status; strip?: Strip; overlay?: Overlay; takeBack?: () => void },
): Stream<Decoded> {
  const { manifest, first } = page;
  const series = Math.max(
    0,
    manifest.series.findIndex((entry) => entry.showable === true),
  );
  const at = first ?? { series, frame: manifest.series[series]?.default_frame ?? 0 };
  return new Stream<Decoded>(
    manifest,
    at,
    {
      connect: () => asSocket(new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/stream`)),
      fetch: (url, options) => fetch(url, { ...options, cache: "no-store", credentials: "same-origin" }),
      timers,
      close: (bitmap) => "close" in bitmap && bitmap.close(),
    },
    {
      changed: () => events.screen?.schedule(),
      series: () => {
        events.strip?.fill();
        events.overlay?.describe();
      },
      problem: (problem) => events.status?.problem(problem),
      state: (state) => {
        events.status?.link(state);
        if (manifest.watermark && (state === "revoked" || state === "expired")) events.takeBack?.();
      },
      reachable: (yes) => events.status?.answers(yes),
    },
  );
}

/** In the background nothing is played or fetched; when the page is left nothing remains of it. */
function followVisibility(stream: Stream<Decoded>, screen: Screen, cine: Cine, link: Link): void {
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") return link.wake();
    cine.stop();
    link.pause();
  });
  addEventListener("online", () => document.visibilityState === "visible" && link.wake());
  addEventListener("pagehide", () => {
    screen.forget();
    stream.stop();
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/** What was shared and is not any more leaves the screen: pictures, thumbnails, and what is in memory. */
function takeBack(stream: Stream<Decoded>, screen: Screen): void {
  screen.forget();
  stream.stop();
  document.getElementById("first")?.remove();
  const app = document.getElementById("app");
  if (app) fill(app, make("p", "taken", { role: "alert" }, texts.link.revoked));
}

function backButton(): HTMLButtonElement {
  const back = make("button", "plain back", { type: "button", "aria-label": texts.back }, icon("back"));
  back.addEventListener("click", () => (history.length > 1 ? history.back() : location.assign("/")));
  return back;
}

async function start(page: Handover): Promise<void> {
  const { view, first, bytes } = page;
  const app = view.parentElement as HTMLElement;
  // The address stays good for a reload, and a link's secret leaves the history.
  history.replaceState(history.state, "", `/viewer/${page.manifest.exam}`);
  view.tabIndex = 0;
  view.setAttribute("aria-label", texts.image);
  const events: Parameters<typeof newStream>[1] = {};
  const stream = newStream(page, events);
  const painted = (await page.painted) as Decoded | null;
  const screen = new Screen(page, stream, painted !== null);
  if (first && bytes && painted)
    stream.adopt({ ...first, k: "frame", seq: 0, s: first.series, f: first.frame }, bytes, painted);
  const cine = new Cine(stream.entry.fps || 15, {
    ready: () => Boolean(stream.ahead(1)?.bitmap),
    advance: () => stream.goto(stream.frame + 1 < stream.entry.frames ? stream.frame + 1 : 0),
    changed: (playing) => {
      stream.hold(playing);
      tools.changed();
    },
  });
  const tools = new Tools(stream, screen, cine);
  const panels = new Panels(tools, app);
  const overlay = new Overlay(stream, screen, view, app.querySelector(".top") as HTMLElement, backButton());
  const status = new Status(stream, screen, view);
  const scrubber = new Scrubber(stream, view, () => cine.stop());
  const strip = new Strip(stream, app, (series) => tools.select(series));
  const toolbar = new Toolbar(tools, panels, app);
  Object.assign(events, { screen, status, strip, overlay, takeBack: () => takeBack(stream, screen) });
  followGestures(view, tools);
  listenKeys(tools, () => panels.help());
  tools.onChange(() => toolbar.refresh());
  screen.onPaint(() => {
    for (const part of [overlay, status, scrubber, strip]) part.refresh();
    if (screen.level === "final") strip.load();
  });
  stream.link.start(page.socket ? { socket: asSocket(page.socket), messages: page.messages } : undefined);
  followVisibility(stream, screen, cine, stream.link);
  setTimeout(() => strip.load(), THUMBNAILS_AFTER);
  screen.schedule();
  window.yunying = {
    count: () => stream.entry.frames,
    goto: (frame) => void stream.goto(frame),
    setWindow: (center, width) => stream.setWindow([center, width]),
    state: () => ({
      exam: stream.manifest.exam,
      series: stream.series,
      frame: stream.frame,
      window: stream.entry.colour ? UNCHANGED : stream.shownWindow(),
      grade: stream.manifest.grade,
      level: screen.levelNow,
      pending: screen.levelNow !== "final" || stream.waiting(),
    }),
  };
}

if (window.handover) {
  void start(window.handover);
  delete window.handover;
}
