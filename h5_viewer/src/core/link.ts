/** The socket: opening, tickets, acknowledgements, stalls, reconnecting with back-off, and when to give up. No DOM, no timers of its own. */
import { decodeBinary, type ClientMessage, type PictureHeader, type ServerText } from "./protocol";
import { Parts } from "./parts";

/** The part of a WebSocket that is used. */
export interface SocketLike {
  binaryType: string;
  readyState: number;
  send(text: string): void;
  close(code?: number): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
}

/** Time, given from outside. */
export interface Timers {
  now(): number;
  /** Runs after so many milliseconds; the result cancels. */
  after(ms: number, run: () => void): () => void;
}

/**
 * `connecting` before the first success; `open`; `reconnecting` after a loss; `unreachable` when no socket has opened for a while (pictures come by
 * HTTP meanwhile); `paused` in the background; the last three are final until the person acts.
 */
export type LinkState =
  | "connecting"
  | "open"
  | "reconnecting"
  | "unreachable"
  | "paused"
  | "expired"
  | "revoked"
  | "refused";

/** What a fresh ticket request found. */
export type Renewal = "renewed" | "expired" | "revoked" | "offline";

export interface LinkEvents {
  text(message: ServerText): void;
  picture(header: PictureHeader, bytes: Uint8Array<ArrayBuffer>): void;
  state(state: LinkState): void;
}
export interface LinkNeeds {
  connect(): SocketLike;
  timers: Timers;
  /** The `open` message with the present ticket. */
  hello(): ClientMessage;
  /** Fetches a fresh ticket. */
  renew(): Promise<Renewal>;
  /** True while a picture is expected. */
  waiting(): boolean;
}

const OPENING = 4000;
const STALLED = 6000;
const FIRST_DELAY = 250;
const LONGEST_DELAY = 5000;
/** In the first seconds after a loss the delays stay short: most cuts are short. */
const QUICK_TRIES = 8;
const QUICK_DELAY = 800;
const KEEP_ALIVE = 15000;
/** Acknowledgements go no faster than this: a fast link brings hundreds of slices a second. */
const ACK_EVERY = 4;

/** The delay before the nth attempt after a loss, from 0. */
export function backOff(attempt: number): number {
  const delay = FIRST_DELAY * 2 ** attempt;
  return Math.min(attempt < QUICK_TRIES ? QUICK_DELAY : LONGEST_DELAY, delay);
}

export class Link {
  state: LinkState = "connecting";
  private socket: SocketLike | null = null;
  private received = 0;
  private ackedAt = Number.NEGATIVE_INFINITY;
  private cancelAck: (() => void) | null = null;
  private attempt = 0;
  private heardAt = 0;
  private pinged = false;
  private quietSeconds = 0;
  private parts = new Parts();
  private cancelRetry: (() => void) | null = null;
  private cancelWatch: (() => void) | null = null;
  private cancelGiveUp: (() => void) | null = null;

  constructor(
    private readonly needs: LinkNeeds,
    private readonly events: LinkEvents,
  ) {}

  /** Starts, with a socket that the page has already opened (and greeted) where there is one. */
  start(early?: { socket: SocketLike; messages: { data: unknown }[] }): void {
    this.enter("connecting");
    this.expectOpening();
    if (!early || early.socket.readyState > 1) return this.connect();
    this.attach(early.socket);
    for (const message of early.messages) this.receive(early.socket, message.data);
  }

  /** Sends, if the server listens; what is lost is told again in `open` and the next `view`. */
  send(message: ClientMessage): boolean {
    if (this.state !== "open" || this.socket?.readyState !== 1) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Closes while the page is in the background. */
  pause(): void {
    if (this.final()) return;
    this.detach();
    this.stopTimers();
    this.enter("paused");
  }

  /** Opens again at once, because the person asks. */
  resume(): void {
    if (this.state === "open") return;
    this.stopTimers();
    this.detach();
    this.attempt = 0;
    this.enter("reconnecting");
    this.expectOpening();
    this.connect();
  }

  /** The page or the network is back: opens again at once, unless the person has to act first. */
  wake(): void {
    if (!this.final()) this.resume();
  }

  /** The session was found to have ended. */
  expire(): void {
    this.finish("expired");
  }

  /** Ends for good. */
  stop(): void {
    this.stopTimers();
    this.detach();
  }

  private final(): boolean {
    return this.state === "expired" || this.state === "revoked" || this.state === "refused";
  }

  private enter(state: LinkState): void {
    if (this.state === state) return;
    this.state = state;
    this.events.state(state);
  }

  private connect(): void {
    this.cancelRetry = null;
    let socket: SocketLike;
    try {
      socket = this.needs.connect();
    } catch {
      return this.retry();
    }
    this.attach(socket);
    socket.onopen = () => socket.send(JSON.stringify(this.needs.hello()));
  }

  private attach(socket: SocketLike): void {
    this.socket = socket;
    this.received = 0;
    this.parts = new Parts();
    this.heardAt = this.needs.timers.now();
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.receive(socket, event.data);
    socket.onclose = (event) => this.closed(socket, event.code, event.reason);
    this.watch();
  }

  private receive(socket: SocketLike, data: unknown): void {
    if (socket !== this.socket) return;
    const now = this.needs.timers.now();
    this.pinged = false;
    this.quietSeconds = 0;
    if (data instanceof ArrayBuffer) {
      this.received += data.byteLength;
      this.acknowledge();
      this.readBinary(socket, data);
    } else if (typeof data === "string") {
      this.readText(JSON.parse(data) as ServerText);
    }
    this.heardAt = now;
  }

  private acknowledge(): void {
    if (this.cancelAck) return;
    const wait = this.ackedAt + ACK_EVERY - this.needs.timers.now();
    const tell = (): void => {
      this.cancelAck = null;
      this.ackedAt = this.needs.timers.now();
      this.send({ t: "ack", n: this.received });
    };
    if (wait <= 0) tell();
    else this.cancelAck = this.needs.timers.after(wait, tell);
  }

  private readBinary(socket: SocketLike, data: ArrayBuffer): void {
    try {
      const message = decodeBinary(data);
      const whole = message.header.k === "part" ? this.parts.add(message.header, message.bytes) : data;
      if (!whole) return;
      const { header, bytes } = decodeBinary(whole);
      if (header.k !== "part") this.events.picture(header, bytes);
    } catch {
      // Bytes that are no message: this socket's state is unknown, a new one starts clean.
      this.detach();
      socket.close();
      this.retry();
    }
  }

  private readText(message: ServerText): void {
    if (message.t === "ready") {
      this.attempt = 0;
      this.cancelGiveUp?.();
      this.events.text(message);
      this.enter("open");
    } else {
      this.events.text(message);
    }
  }

  private closed(socket: SocketLike, code: number, reason: string): void {
    if (socket !== this.socket) return;
    this.detach();
    if (code === 4401) return void this.renew();
    if (code === 4403) return this.finish("revoked");
    if (code === 4409 || code === 1008) return this.finish("refused");
    const asked = code === 1013 ? Number.parseFloat(reason) * 1000 : Number.NaN;
    this.retry(Number.isFinite(asked) ? asked : undefined);
  }

  private finish(state: LinkState): void {
    this.stopTimers();
    this.detach();
    this.enter(state);
  }

  private async renew(): Promise<void> {
    const found = await this.needs.renew();
    if (this.socket || this.state === "paused") return;
    if (found === "expired" || found === "revoked") return this.finish(found);
    this.retry(found === "renewed" && this.attempt === 0 ? 0 : undefined);
  }

  private retry(delay: number = backOff(this.attempt) * (0.8 + 0.4 * Math.random())): void {
    if (this.state === "open") {
      this.enter("reconnecting");
      this.expectOpening();
    }
    this.attempt += 1;
    this.cancelRetry?.();
    this.cancelRetry = this.needs.timers.after(delay, () => this.connect());
  }

  private expectOpening(): void {
    this.cancelGiveUp?.();
    this.cancelGiveUp = this.needs.timers.after(OPENING, () => this.enter("unreachable"));
  }

  /** Looks every second: a socket that does not open, or falls silent, is replaced; an idle one is kept alive. */
  private watch(): void {
    this.cancelWatch?.();
    this.cancelWatch = this.needs.timers.after(1000, () => {
      if (this.state === "open" && !this.pinged && !this.needs.waiting()) this.idle();
      else if (this.needs.timers.now() - this.heardAt > (this.state === "open" ? STALLED : OPENING + STALLED)) {
        this.detach();
        return this.retry(0);
      }
      this.watch();
    });
  }

  private idle(): void {
    this.heardAt = this.needs.timers.now();
    this.quietSeconds += 1;
    if (this.quietSeconds * 1000 < KEEP_ALIVE) return;
    this.quietSeconds = 0;
    this.pinged = this.send({ t: "ping", at: this.heardAt });
  }

  private detach(): void {
    const socket = this.socket;
    this.socket = null;
    this.cancelWatch?.();
    this.cancelAck?.();
    this.cancelWatch = this.cancelAck = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }

  private stopTimers(): void {
    this.cancelRetry?.();
    this.cancelGiveUp?.();
    this.cancelRetry = this.cancelGiveUp = null;
  }
}
