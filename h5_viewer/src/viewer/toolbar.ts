/** The bar of tools: what a thumb needs is always there; a wide screen shows the rest too. */
import * as texts from "../texts";
import { make, setText } from "./elements";
import type { Mode } from "./gestures";
import { icon, type IconName } from "./icons";
import type { Panels } from "./panels";
import type { Tools } from "./tools";

/** One button: what it shows, does, and whether it is pressed or possible. */
export interface Item {
  icon: IconName;
  label: string;
  run(): void;
  pressed?(): boolean;
  possible?(): boolean;
}

/** A button for an item, and how to refresh it. */
export function itemButton(item: Item, name = "tool"): { element: HTMLButtonElement; refresh(): void } {
  const label = make("span", "label", {}, item.label);
  const element = make("button", name, { type: "button", title: item.label }, icon(item.icon), label);
  element.addEventListener("click", () => item.run());
  const refresh = (): void => {
    if (item.pressed) element.setAttribute("aria-pressed", String(item.pressed()));
    element.hidden = item.possible ? !item.possible() : false;
  };
  refresh();
  return { element, refresh };
}

/** Tools that change how the picture lies or looks; in the bar of a wide screen, behind "more" on a phone. */
export function pictureItems(tools: Tools): Item[] {
  const { screen } = tools;
  const grey = (): boolean => tools.windowed();
  return [
    {
      icon: "invert",
      label: texts.tool.invert,
      run: () => screen.invert(),
      pressed: () => screen.inverted,
      possible: grey,
    },
    { icon: "rotate", label: texts.tool.rotate, run: () => screen.rotate() },
    { icon: "mirror", label: texts.tool.mirror, run: () => screen.flip(false) },
    { icon: "flip", label: texts.tool.flip, run: () => screen.flip(true) },
    { icon: "fit", label: texts.tool.fit, run: () => screen.fit() },
    { icon: "whole", label: texts.tool.whole, run: () => screen.zoomTo(screen.oneToOne) },
    { icon: "reset", label: texts.tool.reset, run: () => screen.reset() },
  ];
}

export class Toolbar {
  private readonly refreshers: (() => void)[] = [];
  private readonly play: { element: HTMLButtonElement; refresh(): void };

  constructor(
    private readonly tools: Tools,
    panels: Panels,
    app: HTMLElement,
  ) {
    const { cine } = tools;
    const grey = (): boolean => tools.windowed();
    const many = (): boolean => tools.scrolled();
    const mode = (name: Mode, possible: () => boolean): Item => ({
      icon: name,
      label: texts.tool[name],
      run: () => tools.setMode(name),
      pressed: () => tools.mode() === name,
      possible,
    });
    const modes = this.group("modes", [mode("scroll", many), mode("window", grey), mode("pan", () => true)]);
    this.play = itemButton({
      icon: "play",
      label: texts.tool.play,
      run: () => cine.toggle(),
      pressed: () => cine.playing,
      possible: many,
    });
    this.refreshers.push(this.play.refresh);
    const presets = {
      icon: "presets",
      label: texts.tool.presets,
      run: () => panels.presets(),
      possible: grey,
    } as const;
    const speed = { icon: "speed", label: texts.tool.speed, run: () => panels.speed(), possible: many } as const;
    const more = { icon: "more", label: texts.tool.more, run: () => panels.more() } as const;
    const help = { icon: "help", label: texts.tool.help, run: () => panels.help() } as const;
    const middle = this.group("middle", [presets]);
    middle.prepend(this.play.element);
    const bar = make(
      "div",
      "bar",
      { role: "toolbar", "aria-label": texts.tools },
      modes,
      middle,
      this.group("wide", [speed, ...pictureItems(tools), help]),
      this.group("narrow", [more]),
    );
    app.append(bar);
  }

  refresh(): void {
    for (const run of this.refreshers) run();
    const { playing } = this.tools.cine;
    const label = playing ? texts.tool.pause : texts.tool.play;
    const old = this.play.element.querySelector(".label");
    if (!old || old.textContent === label) return;
    setText(old, label);
    this.play.element.title = label;
    this.play.element.querySelector(".icon")?.replaceWith(icon(playing ? "pause" : "play"));
  }

  private group(name: string, items: readonly Item[]): HTMLDivElement {
    const buttons = items.map((item) => itemButton(item));
    this.refreshers.push(...buttons.map((button) => button.refresh));
    return make("div", `group ${name}`, {}, ...buttons.map((button) => button.element));
  }
}
