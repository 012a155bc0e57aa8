/** Panels over the picture: presets, more tools, speed, help. A sheet from below on a phone, a box above the bar on a desktop. */
import { sameWindow } from "../core/protocol";
import * as texts from "../texts";
import { SPEEDS } from "./cine";
import { make } from "./elements";
import { icon } from "./icons";
import { itemButton, pictureItems, type Item } from "./toolbar";
import type { Tools } from "./tools";

export class Panels {
  private open: HTMLElement | null = null;
  private before: Element | null = null;

  constructor(
    private readonly tools: Tools,
    private readonly app: HTMLElement,
  ) {
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.open) return;
      event.preventDefault();
      this.close();
    });
  }

  presets(): void {
    const { stream } = this.tools;
    const rows = this.tools.presets().map((preset, index) => {
      const values = preset.window
        ? `${texts.windowWidth} ${texts.figure(preset.window[1])}  ${texts.windowCentre} ${texts.figure(preset.window[0])}`
        : "";
      return this.row(preset.name, values, sameWindow(preset.window, stream.window), () => this.tools.preset(index));
    });
    this.show(texts.tool.presets, make("div", "rows", {}, ...rows));
  }

  speed(): void {
    this.show(texts.speedHeading, this.speeds());
  }

  more(): void {
    const help: Item = { icon: "help", label: texts.tool.help, run: () => this.help() };
    const items = pictureItems(this.tools).map((item) => itemButton({ ...item, run: () => this.act(item) }, "tile"));
    const grid = make("div", "grid", {}, ...items.map((item) => item.element), itemButton(help, "tile").element);
    const speeds = this.tools.stream.entry.frames > 1 ? this.speeds() : null;
    this.show(texts.tool.more, grid, speeds ? make("h3", "", {}, texts.speedHeading) : null, speeds);
  }

  help(): void {
    const parts = texts.help.map(([heading, lines], i) =>
      make(
        "section",
        i > 0 ? "desk" : "",
        {},
        make("h3", "", {}, heading),
        make("dl", "", {}, ...lines.flatMap(([key, act]) => [make("dt", "", {}, key), make("dd", "", {}, act)])),
      ),
    );
    this.show(texts.tool.help, make("div", "help", {}, ...parts), make("p", "small", {}, texts.helpNote));
  }

  close(): void {
    if (!this.open) return;
    this.open.remove();
    this.open = null;
    if (this.before instanceof HTMLElement) this.before.focus({ preventScroll: true });
  }

  /** Acts and closes; turning and mirroring may be repeated, so their panel stays. */
  private act(item: Item): void {
    item.run();
    this.tools.changed();
    if (item.icon !== "rotate" && item.icon !== "mirror" && item.icon !== "flip") this.close();
  }

  private speeds(): HTMLElement {
    const { cine, stream } = this.tools;
    const own = Math.round(stream.entry.fps);
    const choices = [...new Set([...SPEEDS, own])].filter((fps) => fps > 0).sort((a, b) => a - b);
    const buttons = choices.map((fps) => {
      const button = make(
        "button",
        "chip",
        { type: "button", "aria-label": texts.perSecond(fps), "aria-pressed": String(Math.round(cine.fps) === fps) },
        String(fps),
      );
      button.addEventListener("click", () => {
        cine.fps = fps;
        if (!cine.playing) cine.toggle();
        this.close();
      });
      return button;
    });
    return make("div", "chips", {}, ...buttons);
  }

  private row(name: string, values: string, current: boolean, run: () => void): HTMLButtonElement {
    const button = make(
      "button",
      "row",
      { type: "button", "aria-pressed": String(current) },
      make("span", "name", {}, name),
      make("span", "values", {}, values),
      current ? icon("check") : make("span", "icon"),
    );
    button.addEventListener("click", () => {
      run();
      this.tools.changed();
      this.close();
    });
    return button;
  }

  private show(heading: string, ...content: (HTMLElement | null)[]): void {
    const before = this.open ? this.before : document.activeElement;
    this.open?.remove();
    this.before = before;
    const close = make("button", "plain", { type: "button", "aria-label": texts.close }, icon("close"));
    const panel = make(
      "div",
      "panel",
      { role: "dialog", "aria-modal": "true", "aria-label": heading, tabindex: "-1" },
      make("header", "", {}, make("h2", "", {}, heading), close),
      ...content,
    );
    const backdrop = make("div", "backdrop", {}, panel);
    backdrop.addEventListener("click", (event) => event.target === backdrop && this.close());
    backdrop.addEventListener("keydown", (event) => this.keepFocus(event, panel));
    close.addEventListener("click", () => this.close());
    this.app.append(backdrop);
    this.open = backdrop;
    panel.focus({ preventScroll: true });
  }

  /** Tab goes round inside the panel. */
  private keepFocus(event: KeyboardEvent, panel: HTMLElement): void {
    if (event.key !== "Tab") return;
    const stops = [...panel.querySelectorAll<HTMLElement>("button:not([hidden])")];
    const edge = event.shiftKey ? stops[0] : stops[stops.length - 1];
    if (document.activeElement !== edge && !(event.shiftKey && document.activeElement === panel)) return;
    event.preventDefault();
    stops[event.shiftKey ? stops.length - 1 : 0]?.focus();
  }
}
