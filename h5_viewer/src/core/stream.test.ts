import { beforeEach, describe, expect, test } from "vitest";
import { Clock, manifest, Socket } from "../../tests/stand_ins";
import type { FrameHeader, Problem, ViewMessage } from "./protocol";
import { Stream } from "./stream";

type Bitmap = object;
let clock: Clock;
let sockets: Socket[];
let requests: string[];
let answer: () => Response;
let problems: Problem[];
let stream: Stream<Bitmap>;

beforeEach(() => {
  clock = new Clock();
  sockets = [];
  requests = [];
  problems = [];
  answer = () => new Response("{}", { status: 500 });
  stream = new Stream<Bitmap>(
    manifest(),
    { series: 0, frame: 50 },
    {
      connect: () => {
        sockets.push(new Socket());
        return sockets[sockets.length - 1] as Socket;
      },
      fetch: (url) => {
        requests.push(url);
        return Promise.resolve(answer());
      },
      timers: clock,
      close: () => {},
    },
    {
      changed: () => {},
      series: () => {},
      problem: (problem) => problems.push(problem),
      state: () => {},
      reachable: () => {},
    },
  );
  stream.setScreen([512, 512], null, []);
});

function open(ticket = "T1"): Socket {
  const socket = sockets[sockets.length - 1] as Socket;
  socket.open();
  socket.tell({ t: "ready", manifest: manifest(ticket), session: "S" });
  return socket;
}
function started(): Socket {
  stream.link.start();
  return open();
}
const views = (socket: Socket): ViewMessage[] => socket.sent.filter((m): m is ViewMessage => m.t === "view");
const lastView = (socket: Socket): ViewMessage => views(socket).pop() as ViewMessage;
function header(f: number, values: Partial<FrameHeader> = {}): FrameHeader {
  const base = { k: "frame", seq: 1, s: 0, win: [-600, 1500], auto: true, size: [512, 512], full: [512, 512] } as const;
  return { ...base, f, fmt: "jpeg", lossless: false, ...values };
}
const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 5));

describe("Stream", () => {
  test("tells what is seen as soon as the socket is open", () => {
    const socket = started();
    expect(lastView(socket)).toMatchObject({
      series: 0,
      frame: 50,
      window: null,
      fit: [512, 512],
      moving: false,
      have: 0,
    });
  });

  test("each view has a higher number; fast changes are told together, the newest last", () => {
    const socket = started();
    clock.pass(100);
    const before = views(socket).length;
    for (let frame = 51; frame <= 70; frame += 1) stream.goto(frame);
    clock.pass(16);
    expect(views(socket).length - before).toBeLessThanOrEqual(2);
    expect(lastView(socket)).toMatchObject({ frame: 70, dir: 1, moving: true });
    const numbers = views(socket).map((view) => view.seq);
    expect([...numbers].sort((a, b) => a - b)).toEqual(numbers);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test("comes to rest by itself after a step, and with the finger after a drag", () => {
    const socket = started();
    stream.goto(51);
    clock.pass(1000);
    expect(lastView(socket).moving).toBe(false);
    stream.hold(true);
    stream.goto(52);
    clock.pass(1000);
    expect(lastView(socket).moving).toBe(true);
    stream.hold(false);
    clock.pass(20);
    expect(lastView(socket).moving).toBe(false);
  });

  test("frames are clamped; the same frame is no change", () => {
    expect(stream.goto(1000)).toBe(true);
    expect(stream.frame).toBe(99);
    expect(stream.goto(99)).toBe(false);
    expect(stream.goto(Number.NaN)).toBe(false);
    stream.goto(-5);
    expect(stream.frame).toBe(0);
    expect(stream.changes).toBe(2);
  });

  test("a window is taken to the last digit; what is none is ignored", () => {
    stream.setWindow([40.25, 0.5]);
    expect(stream.window).toEqual([40.25, 0.5]);
    stream.setWindow([40, 0]);
    stream.setWindow([Number.NaN, 5]);
    expect(stream.window).toEqual([40.25, 0.5]);
    expect(stream.changes).toBe(1);
  });

  test("a far jump predicts no direction", () => {
    const socket = started();
    stream.goto(51);
    stream.goto(90);
    clock.pass(20);
    expect(lastView(socket).dir).toBe(0);
    stream.goto(89);
    clock.pass(20);
    expect(lastView(socket).dir).toBe(-1);
  });

  test("says what it has of the seen frame", () => {
    const socket = started();
    socket.picture(header(51));
    stream.goto(51);
    clock.pass(20);
    expect(lastView(socket).have).toBe(1);
    socket.picture(header(51, { lossless: true, fmt: "png" }));
    clock.pass(500);
    expect(lastView(socket).have).toBe(2);
    stream.setWindow([40, 400]);
    clock.pass(20);
    expect(lastView(socket)).toMatchObject({ have: 0, window: [40, 400] });
  });

  test("the best picture never goes back to an older window", () => {
    started().picture(header(50, { seq: 9, win: [1, 500], auto: false }));
    sockets[0]?.picture(header(50, { seq: 8, win: [2, 500], auto: false }));
    stream.setWindow([3, 500]);
    expect(stream.best()?.picture.seq).toBe(9);
  });

  test("waits for nothing once the lossless picture is there", () => {
    const socket = started();
    expect(stream.waiting()).toBe(true);
    socket.picture(header(50));
    expect(stream.waiting()).toBe(true);
    socket.picture(header(50, { lossless: true, fmt: "png" }));
    expect(stream.waiting()).toBe(false);
  });

  test("after a loss it reports what it holds and shows the same view again", () => {
    const socket = started();
    for (const f of [48, 49, 50]) socket.picture(header(f));
    stream.goto(49);
    socket.drop(1006);
    stream.goto(48);
    clock.pass(500);
    const next = open();
    expect(next.sent[0]).toMatchObject({ t: "open", have: { frames: [[48, 50]], exact: [] } });
    expect(lastView(next)).toMatchObject({ frame: 48, have: 1 });
  });

  test("a fresh manifest brings a fresh ticket for the next socket", () => {
    stream.link.start();
    open("T2").drop(1006);
    clock.pass(500);
    sockets[1]?.open();
    expect(sockets[1]?.sent[0]).toMatchObject({ t: "open", ticket: "T2" });
  });

  test("a frame that cannot be shown is said of that frame only", () => {
    const socket = started();
    socket.tell({ t: "problem", code: "corrupt-image", text: "数据损坏", retry: null, series: 0, frame: 50 });
    expect(stream.failure()?.text).toBe("数据损坏");
    expect(stream.waiting()).toBe(false);
    stream.goto(51);
    expect(stream.failure()).toBeNull();
    socket.tell({ t: "problem", code: "busy", text: "稍候", retry: 3, series: 0, frame: 51 });
    expect(problems).toHaveLength(1);
  });

  test("bytes that cannot be decoded are dropped and said", () => {
    const socket = started();
    socket.picture(header(50));
    const bad = stream.best()?.picture;
    if (bad) stream.undecodable(bad);
    expect(stream.best()).toBeNull();
    expect(stream.failure()?.code).toBe("undecodable");
    stream.again();
    expect(stream.failure()).toBeNull();
  });

  test("tiles of a frame that has been left are not kept", () => {
    const socket = started();
    stream.select(1);
    stream.setScreen([780, 975], { level: 1, rect: [0, 0, 512, 512] }, []);
    const tile = {
      k: "tile",
      seq: 1,
      s: 1,
      f: 0,
      win: [0, 1],
      auto: true,
      rect: [0, 0, 512, 512],
      fmt: "png",
      lossless: true,
    } as const;
    socket.picture({ ...tile, level: 1 });
    socket.picture({ ...tile, level: 2 });
    expect(stream.store.of(1, 0)).toHaveLength(1);
    stream.select(0);
    expect(stream.store.of(1, 0)).toHaveLength(0);
  });

  test("loads by HTTP when no socket opens: the seen frame, then its lossless form, then neighbours", async () => {
    answer = () => new Response(new Uint8Array(5), { headers: { "X-Window": "-600,1500", "X-Lossless": "false" } });
    stream.link.start();
    clock.pass(4100);
    await settle();
    expect(requests.slice(0, 3)).toEqual([
      "/api/v1/exams/EXAM/series/0/frames/50/picture?fit=512%2C512&format=jpeg&quality=80",
      "/api/v1/exams/EXAM/series/0/frames/50/picture?fit=512%2C512&format=png",
      "/api/v1/exams/EXAM/series/0/frames/51/picture?fit=512%2C512&format=jpeg&quality=80",
    ]);
    expect(stream.best()).not.toBeNull();
  });

  test("asks for new contact sheets when another window has come to rest, not while it is dragged", () => {
    const socket = started();
    stream.hold(true);
    stream.setWindow([40, 400]);
    clock.pass(500);
    expect(socket.last("overview")).toBeUndefined();
    stream.hold(false);
    clock.pass(20);
    expect(socket.last("overview")).toEqual({ t: "overview", series: 0, window: [40, 400] });
  });

  test("a series whose frames were numbered anew keeps no old picture", () => {
    const socket = started();
    socket.picture(header(50));
    socket.tell({ t: "series", i: 0, entry: { ...stream.entry } });
    expect(stream.best()).not.toBeNull();
    socket.tell({ t: "series", i: 0, entry: { ...stream.entry, frames: 40 } });
    expect(stream.best()).toBeNull();
    expect(stream.frame).toBe(39);
  });

  test("a session that has ended over HTTP ends the link", async () => {
    answer = () => new Response("{}", { status: 401 });
    stream.link.start();
    clock.pass(4100);
    await settle();
    expect(stream.link.state).toBe("expired");
  });

  test("leaving drops everything", () => {
    const socket = started();
    socket.picture(header(50));
    stream.stop();
    expect(stream.store.encoded).toBe(0);
    expect(socket.readyState).toBe(3);
    clock.pass(60_000);
    expect(sockets).toHaveLength(1);
  });
});
