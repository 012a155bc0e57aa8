/** The series of the exam, each with a thumbnail and its number of frames. */
import type { SeriesEntry } from "../core/protocol";
import type { Stream } from "../core/stream";
import * as texts from "../texts";
import { fill, make } from "./elements";
import type { Decoded } from "./handover";

export class Strip {
  private readonly list = make("nav", "strip", { "aria-label": texts.seriesList });
  private buttons: HTMLButtonElement[] = [];
  private loading = false;

  constructor(
    private readonly stream: Stream<Decoded>,
    private readonly app: HTMLElement,
    private readonly select: (series: number) => void,
  ) {
    app.append(this.list);
    this.fill();
  }

  /** Builds the list anew: series were added, or got more frames. */
  fill(): void {
    const { series } = this.stream.manifest;
    this.app.classList.toggle("many", series.length > 1);
    this.list.hidden = series.length <= 1;
    this.buttons = series.length > 1 ? series.map((entry) => this.button(entry)) : [];
    fill(this.list, ...this.buttons);
    this.refresh();
  }

  /** From now on thumbnails are fetched: what is looked at comes first. */
  load(): void {
    if (this.loading) return;
    this.loading = true;
    this.fill();
  }

  /** Marks the series that is looked at. */
  refresh(): void {
    for (const [i, button] of this.buttons.entries()) {
      const current = i === this.stream.series;
      if (current === (button.getAttribute("aria-current") === "true")) continue;
      button.setAttribute("aria-current", String(current));
      if (current) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  private thumbnail(entry: SeriesEntry): HTMLImageElement {
    const image = make("img", "", { alt: "", loading: "lazy", decoding: "async", draggable: "false" });
    image.addEventListener("error", () => image.remove());
    // The count makes the address new when more frames have arrived.
    image.src = `/api/v1/exams/${this.stream.manifest.exam}/series/${entry.i}/thumbnail?frames=${entry.frames}`;
    return image;
  }

  private button(entry: SeriesEntry): HTMLButtonElement {
    const button = make(
      "button",
      "series",
      { type: "button", "aria-label": texts.seriesLabel(entry.number, entry.description, entry.frames) },
      make(
        "span",
        "thumbnail",
        {},
        make("span", "modality", {}, entry.modality),
        this.loading && entry.showable === true ? this.thumbnail(entry) : null,
      ),
      make("span", "count", {}, String(entry.frames)),
      make("span", "caption", {}, entry.description || entry.modality),
    );
    button.addEventListener("click", () => this.select(entry.i));
    return button;
  }
}
