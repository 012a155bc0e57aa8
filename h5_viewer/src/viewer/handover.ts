/** What the boot script leaves for the rest of the page. Types only: neither entry may import code that the other has. */
import type { FrameHeader, Manifest } from "../core/protocol";

/** The first picture as it stands in the page. */
export interface FirstPicture extends Omit<FrameHeader, "k" | "seq" | "s" | "f"> {
  series: number;
  frame: number;
  /** Base64. */
  data: string;
}

export interface Handover {
  manifest: Manifest;
  first: FirstPicture | null;
  bytes: Uint8Array<ArrayBuffer> | null;
  /** Settles when the first picture is painted, with null if there is none or it cannot be decoded. */
  painted: Promise<CanvasImageSource | null>;
  view: HTMLElement;
  canvas: HTMLCanvasElement;
  socket: WebSocket | null;
  messages: { data: unknown }[];
  decode(bytes: Uint8Array<ArrayBuffer>, format: "jpeg" | "png"): Promise<Decoded>;
}

/** A decoded picture. */
export type Decoded = ImageBitmap | HTMLImageElement;

declare global {
  interface Window {
    handover?: Handover;
  }
}
