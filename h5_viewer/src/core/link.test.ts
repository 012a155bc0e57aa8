import { beforeEach, describe, expect, test } from "vitest";
import { Clock, manifest, message, Socket } from "../../tests/stand_ins";
import { backOff, Link, type LinkState, type Renewal } from "./link";
import type { PictureHeader } from "./protocol";

const header: PictureHeader = {
  k: "frame",
  seq: 1,
  s: 0,
  f: 0,
  win: null,
  auto: true,
  size: [1, 1],
  full: [1, 1],
  fmt: "jpeg",
  lossless: false,
};

let clock: Clock;
let sockets: Socket[];
let states: LinkState[];
let pictures: PictureHeader[];
let renewal: Renewal;
let waiting: boolean;
let link: Link;

beforeEach(() => {
  clock = new Clock();
  sockets = [];
  states = [];
  pictures = [];
  renewal = "renewed";
  waiting = false;
  link = new Link(
    {
      connect: () => {
        const socket = new Socket();
        sockets.push(socket);
        return socket;
      },
      timers: clock,
      hello: () => ({ t: "open", ticket: "T", v: 1, keep: 1, have: null }),
      renew: () => Promise.resolve(renewal),
      waiting: () => waiting,
    },
    { text: () => {}, picture: (h) => pictures.push(h), state: (state) => states.push(state) },
  );
});

const newest = (): Socket => sockets[sockets.length - 1] as Socket;
function opened(): Socket {
  link.start();
  newest().open();
  newest().tell({ t: "ready", manifest: manifest(), session: "S" });
  return newest();
}

describe("Link", () => {
  test("greets first, is open when the server is ready", () => {
    link.start();
    newest().open();
    expect(newest().sent[0]?.t).toBe("open");
    expect(link.state).toBe("connecting");
    newest().tell({ t: "ready", manifest: manifest(), session: "S" });
    expect(states).toEqual(["open"]);
  });

  test("acknowledges all bytes received so far", () => {
    const socket = opened();
    const first = socket.picture(header, 100);
    expect(socket.last("ack")).toEqual({ t: "ack", n: first });
    const second = socket.picture(header, 50);
    const third = socket.picture(header, 50);
    clock.pass(5);
    expect(socket.sent.filter((m) => m.t === "ack")).toHaveLength(2);
    expect(socket.last("ack")).toEqual({ t: "ack", n: first + second + third });
    expect(pictures).toHaveLength(3);
  });

  test("puts slices together and acknowledges each", () => {
    const socket = opened();
    const whole = new Uint8Array(message(header, 30));
    for (const [at, end] of [
      [0, 20],
      [20, whole.length],
    ] as const) {
      const slice = new Uint8Array(message({ k: "part", id: 5, at, of: whole.length }, end - at));
      slice.set(whole.subarray(at, end), slice.length - (end - at));
      socket.onmessage?.({ data: slice.buffer });
      clock.pass(5);
    }
    expect(pictures).toEqual([header]);
    expect(socket.sent.filter((m) => m.t === "ack")).toHaveLength(2);
  });

  test("takes over the page's early socket with what it has received", () => {
    const early = new Socket();
    early.readyState = 1;
    link.start({
      socket: early,
      messages: [{ data: JSON.stringify({ t: "ready", manifest: manifest() }) }, { data: message(header, 3) }],
    });
    expect(sockets).toHaveLength(0);
    expect(link.state).toBe("open");
    expect(pictures).toHaveLength(1);
  });

  test("reconnects soon, later less often, and starts anew once open", () => {
    opened().drop(1006);
    expect(states).toEqual(["open", "reconnecting"]);
    clock.pass(400);
    expect(sockets).toHaveLength(2);
    for (let i = 0; i < 5; i += 1) {
      newest().drop(1006);
      clock.pass(1000);
    }
    expect(sockets).toHaveLength(7);
    newest().open();
    newest().tell({ t: "ready", manifest: manifest(), session: "S" });
    newest().drop(1006);
    clock.pass(400);
    expect(sockets).toHaveLength(8);
  });

  test("says so when no socket opens within four seconds, and goes on trying", () => {
    link.start();
    clock.pass(3900);
    expect(states).toEqual([]);
    clock.pass(200);
    expect(states).toEqual(["unreachable"]);
    clock.pass(8000);
    expect(sockets.length).toBeGreaterThan(1);
    newest().open();
    newest().tell({ t: "ready", manifest: manifest(), session: "S" });
    expect(link.state).toBe("open");
  });

  test("replaces a socket that falls silent while a picture is awaited, not an idle one", () => {
    opened();
    clock.pass(12_000);
    expect(sockets).toHaveLength(1);
    waiting = true;
    clock.pass(5000);
    expect(sockets).toHaveLength(1);
    clock.pass(3000);
    expect(sockets).toHaveLength(2);
  });

  test("keeps an idle socket alive and notices when it is dead", () => {
    const socket = opened();
    clock.pass(16_000);
    expect(socket.last("ping")).toBeDefined();
    socket.tell({ t: "pong", at: 1 });
    clock.pass(17_000);
    expect(sockets).toHaveLength(1);
    clock.pass(8000);
    expect(sockets).toHaveLength(2);
  });

  test("fetches a fresh ticket when the old one has expired", async () => {
    opened().drop(4401);
    await Promise.resolve();
    clock.pass(10);
    expect(sockets).toHaveLength(2);
  });

  test.each([
    ["expired", "expired"],
    ["revoked", "revoked"],
  ] as const)("stops when the renewal finds the session %s", async (found, state) => {
    renewal = found;
    opened().drop(4401);
    await Promise.resolve();
    clock.pass(60_000);
    expect(sockets).toHaveLength(1);
    expect(link.state).toBe(state);
  });

  test.each([
    [4403, "revoked"],
    [4409, "refused"],
  ] as const)("close code %i ends for good", (code, state) => {
    opened().drop(code);
    clock.pass(60_000);
    expect(sockets).toHaveLength(1);
    expect(link.state).toBe(state);
  });

  test("waits as long as an overloaded server asks", () => {
    opened().drop(1013, "7");
    clock.pass(6900);
    expect(sockets).toHaveLength(1);
    clock.pass(200);
    expect(sockets).toHaveLength(2);
  });

  test("is silent in the background and comes back at once", () => {
    const socket = opened();
    link.pause();
    expect(socket.readyState).toBe(3);
    clock.pass(60_000);
    expect(sockets).toHaveLength(1);
    link.resume();
    expect(sockets).toHaveLength(2);
  });

  test("bytes that are no message cost the socket, not the page", () => {
    const socket = opened();
    socket.onmessage?.({ data: new ArrayBuffer(1) });
    expect(socket.readyState).toBe(3);
    clock.pass(1000);
    expect(sockets).toHaveLength(2);
  });
});

test("the delays grow and stay bounded", () => {
  const delays = Array.from({ length: 20 }, (_, i) => backOff(i));
  expect(delays.slice(0, 8).every((ms) => ms <= 800)).toBe(true);
  expect(Math.max(...delays)).toBe(5000);
});
