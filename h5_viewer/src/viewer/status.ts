/** The banner about the link, the sentence where a picture should be, and the thin line of progress. */
import type { LinkState } from "../core/link";
import type { Problem } from "../core/protocol";
import type { Stream } from "../core/stream";
import * as texts from "../texts";
import { fill, make, setText } from "./elements";
import type { Decoded } from "./handover";
import type { Screen } from "./screen";

const PROBLEM_SHOWN = 6000;
/** A loss shorter than this is not worth a word. */
const QUIET = 600;
const COUNT_EVERY = 250;

export class Status {
  private readonly banner = make("div", "banner", { role: "status", "aria-live": "polite" });
  private readonly message = make("div", "message", { role: "alert" });
  private readonly progress = make("div", "progress", { "aria-hidden": "true" });
  private reachable = true;
  private since = 0;
  private said = "";
  private countedAt = 0;
  private recount: ReturnType<typeof setTimeout> | 0 = 0;

  constructor(
    private readonly stream: Stream<Decoded>,
    private readonly screen: Screen,
    view: HTMLElement,
  ) {
    view.append(this.progress, this.banner, this.message);
  }

  /** A sentence of the server about the exam as a whole. */
  problem(problem: Problem): void {
    this.say(problem.text, null);
    setTimeout(() => this.link(this.stream.link.state), PROBLEM_SHOWN);
  }

  /** The link is in this state now. */
  link(state: LinkState): void {
    if (state === "open" || state === "paused") this.reachable = true;
    if (state === "open" || state === "paused" || state === "connecting") {
      this.since = 0;
      return this.say("", null);
    }
    if (state === "reconnecting" && this.since === 0) {
      this.since = performance.now();
      setTimeout(() => this.since > 0 && this.link(this.stream.link.state), QUIET);
      return;
    }
    const gate = make("a", "act", { href: `/?to=/viewer/${this.stream.manifest.exam}` }, texts.toGate);
    if (state === "expired") return this.say(texts.link.expired, gate);
    const act = state === "revoked" ? gate : this.retry(() => this.stream.link.resume());
    this.say(state === "unreachable" && !this.reachable ? texts.offline : texts.link[state], act);
  }

  /** Whether HTTP works while no socket opens. */
  answers(yes: boolean): void {
    this.reachable = yes;
    this.link(this.stream.link.state);
  }

  refresh(): void {
    const { entry } = this.stream;
    const failure = this.stream.failure();
    if (entry.showable !== true) this.tell(entry.showable || texts.notYet, false);
    else if (entry.frames === 0) this.tell(texts.notYet, false);
    else if (failure && this.screen.level === "none")
      this.tell(texts.cannotShow(failure.code === "undecodable" ? texts.cannotDecode : failure.text), true);
    else this.tell("", false);
    this.refreshProgress();
  }

  /** Counts what is held, a few times a second at most: with thousands of frames that is work. */
  private refreshProgress(): void {
    const now = performance.now();
    if (now - this.countedAt < COUNT_EVERY) {
      this.recount ||= setTimeout(() => this.refreshProgress(), COUNT_EVERY);
      return;
    }
    clearTimeout(this.recount);
    this.recount = 0;
    this.countedAt = now;
    const { entry, store, series, window } = this.stream;
    const share =
      entry.frames > 1
        ? store.covered(series, entry.frames, window) / entry.frames
        : this.screen.level === "none"
          ? 0
          : 1;
    this.progress.style.transform = `scaleX(${share.toFixed(3)})`;
    this.progress.classList.toggle("done", share >= 1);
    this.progress.classList.toggle("busy", this.stream.waiting());
  }

  private tell(text: string, retry: boolean): void {
    if (this.said === text) return;
    this.said = text;
    fill(this.message, text ? make("p", "", {}, text) : null);
    if (text && retry) this.message.append(this.retry(() => this.stream.again()));
  }

  private retry(run: () => void): HTMLButtonElement {
    const button = make("button", "act", { type: "button" }, texts.retry);
    button.addEventListener("click", run);
    return button;
  }

  private say(text: string, act: HTMLElement | null): void {
    this.banner.classList.toggle("shown", text !== "");
    if (text !== "") fill(this.banner, make("span", "", {}, text), act);
    else setText(this.banner, "");
  }
}
