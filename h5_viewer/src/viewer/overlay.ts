/** What is written on and around the picture: letters of orientation, scale, frame, window, grade. */
import { edgeLetters, scaleBar } from "../core/geometry";
import type { Stream } from "../core/stream";
import * as texts from "../texts";
import { make, setText } from "./elements";
import type { Decoded } from "./handover";
import type { Screen } from "./screen";

const BAR_MOST = 96;

export class Overlay {
  private readonly letters = (["left", "right", "top", "bottom"] as const).map((edge) =>
    make("div", `letter at-${edge}`),
  );
  private readonly name = make("div", "note corner-tl");
  private readonly zoom = make("div", "note corner-tr");
  private readonly frame = make("div", "frame-count");
  private readonly bar = make("div", "scale-bar");
  private readonly plane = make("div", "plane");
  private readonly barText = make("span", "scale-text");
  private readonly window = make("div", "note corner-br");
  private readonly grade = make("div", "grade");
  private readonly heading = make("h1", "");
  private readonly subtitle = make("p", "");

  constructor(
    private readonly stream: Stream<Decoded>,
    private readonly screen: Screen,
    view: HTMLElement,
    top: HTMLElement,
    back: HTMLElement,
  ) {
    const scale = make("div", "scale", {}, this.bar, this.barText);
    const left = make("div", "note corner-bl", {}, this.plane, scale, this.frame);
    const layer = make(
      "div",
      "overlay",
      { "aria-hidden": "true" },
      ...this.letters,
      this.name,
      this.zoom,
      left,
      this.window,
    );
    view.append(layer);
    top.append(back, make("div", "title", {}, this.heading, this.subtitle), this.grade);
    this.describe();
  }

  /** The exam's title; called again when the manifest is fresh. */
  describe(): void {
    const { title } = this.stream.manifest;
    setText(this.heading, [title.patient, texts.sex(title.sex), texts.age(title.age)].filter(Boolean).join("  "));
    setText(
      this.subtitle,
      [title.modality, title.description, title.date, title.institution].filter(Boolean).join(" · "),
    );
  }

  /** Everything as it is now. */
  refresh(): void {
    const { entry, frame } = this.stream;
    const single = entry.frames <= 1;
    setText(
      this.name,
      [entry.number ?? "", entry.description].filter((part) => part !== "").join("  ") +
        (entry.lossy ? `\n${texts.lossy}` : ""),
    );
    setText(this.frame, single ? "" : texts.frameOf(frame + 1, entry.frames));
    setText(
      this.zoom,
      Math.abs(this.screen.magnification - 1) < 0.01 ? "" : `×${this.screen.magnification.toFixed(1)}`,
    );
    this.refreshLetters();
    this.refreshScale();
    this.refreshWindow();
    this.refreshGrade();
  }

  private refreshLetters(): void {
    const { orientation } = this.stream.entry;
    const letters = orientation ? edgeLetters(orientation, this.screen.camera) : [];
    for (const [i, element] of this.letters.entries()) setText(element, letters[i] ?? "");
  }

  private refreshScale(): void {
    const { entry } = this.stream;
    setText(this.plane, entry.spacing && entry.spacing_from === "imager" ? texts.detectorScale : "");
    if (!entry.spacing || entry.showable !== true) {
      setText(this.barText, entry.showable === true ? texts.uncalibrated : "");
      this.bar.style.width = "0";
      return;
    }
    const { length, text } = scaleBar(entry.spacing[1] / this.screen.camera.scale, BAR_MOST);
    this.bar.style.width = `${length}px`;
    setText(this.barText, text);
  }

  private refreshWindow(): void {
    const window = this.stream.entry.colour ? null : this.stream.shownWindow();
    const about = this.screen.approximate ? "≈ " : "";
    const label =
      window &&
      `${about}${texts.windowWidth} ${texts.figure(window[1])}\n${texts.windowCentre} ${texts.figure(window[0])}`;
    setText(this.window, label ?? "");
  }

  private refreshGrade(): void {
    const { manifest, entry } = this.stream;
    const { level, whole } = this.screen;
    const diagnostic = manifest.grade === "diagnostic" && level === "final" && whole;
    const label = [texts.grade[diagnostic ? "diagnostic" : "browse"], texts.level[level]];
    setText(this.grade, entry.showable === true ? label.join(" · ") : "");
    this.grade.dataset["level"] = level;
  }
}
