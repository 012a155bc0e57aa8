/** The slim slider at the right edge: long series under one thumb. */
import type { Stream } from "../core/stream";
import * as texts from "../texts";
import { make, setText } from "./elements";
import type { Decoded } from "./handover";

export class Scrubber {
  private readonly thumb = make("div", "thumb");
  private readonly bubble = make("div", "bubble", { "aria-hidden": "true" });
  private readonly track = make("div", "scrubber", {
    role: "slider",
    tabindex: "0",
    "aria-orientation": "vertical",
    "aria-label": texts.scrubber,
  });
  private holding = false;

  constructor(
    private readonly stream: Stream<Decoded>,
    view: HTMLElement,
    private readonly begin: () => void,
  ) {
    this.track.append(make("div", "rail"), this.thumb, this.bubble);
    view.append(this.track);
    this.track.addEventListener("pointerdown", (event) => this.hold(event));
    this.track.addEventListener("pointermove", (event) => this.holding && this.follow(event));
    for (const name of ["pointerup", "pointercancel"] as const) this.track.addEventListener(name, () => this.release());
  }

  refresh(): void {
    const { entry, frame } = this.stream;
    this.track.hidden = entry.frames <= 1 || entry.showable !== true;
    const share = entry.frames > 1 ? frame / (entry.frames - 1) : 0;
    this.thumb.style.top = this.bubble.style.top = `${(share * 100).toFixed(2)}%`;
    setText(this.bubble, texts.frameOf(frame + 1, entry.frames));
    for (const [name, value] of [
      ["aria-valuemin", "1"],
      ["aria-valuemax", String(entry.frames)],
      ["aria-valuenow", String(frame + 1)],
      ["aria-valuetext", texts.frameLabel(frame + 1, entry.frames)],
    ] as const) {
      this.track.setAttribute(name, value);
    }
  }

  private hold(event: PointerEvent): void {
    event.stopPropagation();
    event.preventDefault();
    this.track.setPointerCapture(event.pointerId);
    this.holding = true;
    this.track.classList.add("held");
    this.begin();
    this.stream.hold(true);
    this.follow(event);
  }

  private follow(event: PointerEvent): void {
    event.stopPropagation();
    const { top, height } = this.track.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientY - top) / Math.max(1, height)));
    this.stream.goto(share * (this.stream.entry.frames - 1));
  }

  private release(): void {
    if (!this.holding) return;
    this.holding = false;
    this.track.classList.remove("held");
    this.stream.hold(false);
  }
}
