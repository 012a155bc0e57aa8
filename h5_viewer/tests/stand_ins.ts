/** Time and sockets that tests hold in their hands. */
import type { SocketLike, Timers } from "../src/core/link";
import type { ClientMessage, Manifest, PictureHeader, SeriesEntry } from "../src/core/protocol";

/** A clock that stands until it is told to go on. */
export class Clock implements Timers {
  private time = 0;
  private queue: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): () => void {
    const queued = { at: this.time + ms, run };
    this.queue.push(queued);
    return () => {
      this.queue = this.queue.filter((other) => other !== queued);
    };
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.queue.filter((queued) => queued.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.queue = this.queue.filter((queued) => queued !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
  }
}

/** A socket whose other end is the test. */
export class Socket implements SocketLike {
  binaryType = "";
  readyState = 0;
  readonly sent: ClientMessage[] = [];
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientMessage);
  }

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.(undefined as never);
  }

  tell(text: object): void {
    this.onmessage?.({ data: JSON.stringify(text) });
  }

  picture(header: PictureHeader, bytes = 10): number {
    const data = message(header, bytes);
    this.onmessage?.({ data });
    return data.byteLength;
  }

  drop(code: number, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  last(type: ClientMessage["t"]): ClientMessage | undefined {
    return this.sent.reduce<ClientMessage | undefined>((last, sent) => (sent.t === type ? sent : last), undefined);
  }
}

/** A binary message of the protocol. */
export function message(header: object, bytes: number): ArrayBuffer {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const whole = new Uint8Array(2 + text.length + bytes);
  new DataView(whole.buffer).setUint16(0, text.length);
  whole.set(text, 2);
  return whole.buffer;
}

export function entry(values: Partial<SeriesEntry> = {}): SeriesEntry {
  return {
    i: 0,
    modality: "CT",
    number: 1,
    description: "肺",
    frames: 100,
    rows: 512,
    columns: 512,
    colour: false,
    window: [-600, 1500],
    presets: [],
    spacing: [0.7, 0.7],
    spacing_from: "pixel",
    value_unit: "HU",
    orientation: ["R", "L", "A", "P"],
    fps: 15,
    default_frame: 50,
    lossy: false,
    monochrome1: false,
    showable: true,
    ...values,
  };
}

export function manifest(ticket = "T1"): Manifest {
  const title = { patient: "", sex: "", age: "", modality: "", description: "", date: "", institution: "" };
  return {
    exam: "EXAM",
    grade: "browse",
    ticket,
    title,
    series: [entry(), entry({ i: 1, frames: 1, rows: 3000, columns: 2400 })],
  };
}
