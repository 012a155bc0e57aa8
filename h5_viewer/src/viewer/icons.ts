/** Icons: 24 x 24, one stroke width, drawn in the text's colour. */
const PATHS = {
  back: "M15 5l-7 7 7 7",
  scroll: "M7 4h10M7 20h10M12 7v10M9 9.5L12 6.5l3 3M9 14.5l3 3 3-3",
  window: "M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17zM12 3.5v17M12 8h6.5M12 12h8.5M12 16h6.5",
  pan: "M12 3v18M3 12h18M9.5 5.5L12 3l2.5 2.5M9.5 18.5L12 21l2.5-2.5M5.5 9.5L3 12l2.5 2.5M18.5 9.5L21 12l-2.5 2.5",
  play: "M8 5.2v13.6L19 12z",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  presets: "M4 7h9M17 7h3M4 12h3M11 12h9M4 17h11M19 17h1M13 5v4M17 5v4M7 10v4M11 10v4M15 15v4M19 15v4",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  invert: "M4 5.5h16v13H4zM4 18.5L20 5.5M14 14.5h3M7 9.5h3M8.5 8v3",
  rotate: "M19.5 12a7.5 7.5 0 11-2.6-5.7M19.5 4v4.5H15",
  mirror: "M12 4v16M9 7.5v9L3.5 16.5zM15 7.5v9l5.5 0z",
  flip: "M4 12h16M7.5 9h9V3.5zM7.5 15h9v5.5z",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  whole: "M6 8.5L8 7v10M18 8.5L20 7v10M13 10h.01M13 14.5h.01",
  reset: "M4.5 12a7.5 7.5 0 102.6-5.7M4.5 4v4.5H9M12 9.5V12l2 1.5",
  help: "M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17zM9.7 9.7a2.3 2.3 0 114 1.6c-.9.8-1.7 1.2-1.7 2.4M12 16.7h.01",
  speed: "M4.5 17.5a8.5 8.5 0 1115 0M12 14l4-5M12 14h.01",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
} as const;

export type IconName = keyof typeof PATHS;

/** A new icon; hidden from screen readers, its button has the label. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS(svg.namespaceURI as "http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
