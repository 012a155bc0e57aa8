/** Keys of the desktop. */
import type { Tools } from "./tools";

const ZOOM = 1.25;
const PAGE = 10;

/** Listens for the page's keys; a focused control keeps its own. */
export function listenKeys(tools: Tools, help: () => void): void {
  const { screen, stream, cine } = tools;
  const last = (): number => stream.entry.frames - 1;
  const acts: Record<string, () => void> = {
    ArrowUp: () => tools.step(-1),
    ArrowLeft: () => tools.step(-1),
    ArrowDown: () => tools.step(1),
    ArrowRight: () => tools.step(1),
    PageUp: () => tools.step(-PAGE),
    PageDown: () => tools.step(PAGE),
    Home: () => tools.step(-last()),
    End: () => tools.step(last()),
    " ": () => stream.entry.frames > 1 && cine.toggle(),
    i: () => screen.invert(),
    r: () => screen.rotate(),
    h: () => screen.flip(false),
    f: () => screen.flip(true),
    "+": () => screen.zoom(ZOOM),
    "=": () => screen.zoom(ZOOM),
    "-": () => screen.zoom(1 / ZOOM),
    "0": () => screen.fit(),
    "?": help,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const pressing = event.target instanceof Element && event.target.closest("button, a, [role=dialog]");
    if (pressing && (event.key === " " || event.key === "Enter")) return;
    const digit = /^[1-9]$/.test(event.key) ? () => tools.preset(Number(event.key) - 1) : null;
    const act = digit ?? acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
    tools.changed();
  });
}
