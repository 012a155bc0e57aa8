/** Puts the slices of large messages together; slices of several messages may be interleaved, and a message may never be finished. No DOM. */
import type { PartHeader } from "./protocol";

const UNFINISHED = 4;
/** No single message is larger. */
const LARGEST = 32_000_000;

export class Parts {
  /** Unfinished messages, oldest first. */
  private readonly open = new Map<number, { whole: Uint8Array<ArrayBuffer>; filled: number }>();

  /** Takes a slice; the whole message with its last one. Throws `RangeError` for a slice that does not continue its message. */
  add({ id, at, of }: PartHeader, slice: Uint8Array<ArrayBuffer>): ArrayBuffer | null {
    if (at === 0) this.begin(id, of);
    const message = this.open.get(id);
    if (!message) return null;
    if (at !== message.filled || of !== message.whole.length || at + slice.length > of)
      throw new RangeError("slice out of order");
    message.whole.set(slice, at);
    message.filled += slice.length;
    if (message.filled < of) return null;
    this.open.delete(id);
    return message.whole.buffer;
  }

  private begin(id: number, of: number): void {
    if (!(of > 0 && of <= LARGEST)) throw new RangeError("message too large");
    this.open.delete(id);
    this.open.set(id, { whole: new Uint8Array(of), filled: 0 });
    for (const old of this.open.keys()) {
      if (this.open.size <= UNFINISHED) break;
      this.open.delete(old);
    }
  }
}
