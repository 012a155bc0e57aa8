/**
 * Runs while the page is still arriving: opens the socket, then decodes and paints the picture that came inside the page.
 * Everything else is `main.ts`, which follows behind the picture.
 */
import "./boot.css";
import type { Manifest } from "../core/protocol";
import type { Decoded, FirstPicture, Handover } from "./handover";

/** No display frame within this time: the page is not seen. */
const HIDDEN = 500;

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  into: Element | null,
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = name;
  into?.append(made);
  return made;
}

const json = (id: string): unknown => JSON.parse(document.getElementById(id)?.textContent ?? "null");

function connect(ticket: string, messages: Handover["messages"]): WebSocket | null {
  try {
    const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/stream`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify({ t: "open", ticket, v: 1, keep: 40_000_000, have: null }));
    socket.onmessage = (event) => messages.push(event);
    return socket;
  } catch {
    return null;
  }
}

/** Pixels as they are in the file: no colour management between the server's values and the canvas. */
async function decode(bytes: Uint8Array<ArrayBuffer>, format: "jpeg" | "png"): Promise<Decoded> {
  const blob = new Blob([bytes], { type: `image/${format}` });
  if ("createImageBitmap" in window) {
    try {
      return await createImageBitmap(blob, { colorSpaceConversion: "none" });
    } catch {
      // Some older browsers know createImageBitmap without options; an <img> decodes there.
    }
  }
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/** The bytes of base64; a plain loop is several times faster than `Uint8Array.from`. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Waits until what was painted is on the screen, so that the rest of the page does not delay it; in a background tab not for long. */
function shown(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, HIDDEN);
    requestAnimationFrame(() => {
      performance.mark("first-image");
      setTimeout(done);
    });
  });
}

/** Stands across a guest's pictures from the first one on: an element of its own, since the canvas keeps the picture's pixels. */
function watermark(text: string): void {
  const layer = element("div", "watermark", view);
  layer.setAttribute("aria-hidden", "true");
  for (let i = 0; i < 120; i += 1) element("span", "", layer).textContent = text;
}

async function paint(
  canvas: HTMLCanvasElement,
  first: FirstPicture,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Decoded | null> {
  try {
    const bitmap = await decode(bytes, first.fmt);
    [canvas.width, canvas.height] = first.size;
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    await shown();
    return bitmap;
  } catch {
    return null;
  }
}

const manifest = json("manifest") as Manifest;
const first = json("first") as FirstPicture | null;
const messages: Handover["messages"] = [];
const socket = connect(manifest.ticket, messages);
const app = document.getElementById("app");
app?.classList.toggle("many", manifest.series.length > 1);
element("header", "top", app);
const view = element("main", "view", app);
const canvas = element("canvas", "frame", element("div", "stage", view));
if (manifest.watermark) watermark(manifest.watermark);
const bytes = first && bytesOf(first.data);
const painted = first && bytes ? paint(canvas, first, bytes) : Promise.resolve(null);
window.handover = { manifest, first, bytes, painted, view, canvas, socket, messages, decode };
