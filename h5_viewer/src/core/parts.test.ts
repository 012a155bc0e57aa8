import { expect, test } from "vitest";
import { Parts } from "./parts";

const slice = (...values: number[]): Uint8Array<ArrayBuffer> => new Uint8Array(values);
const part = (id: number, at: number, of: number) => ({ k: "part", id, at, of }) as const;

test("interleaved slices become whole messages", () => {
  const parts = new Parts();
  expect(parts.add(part(1, 0, 4), slice(1, 2))).toBeNull();
  expect(parts.add(part(2, 0, 3), slice(7, 8))).toBeNull();
  const first = parts.add(part(1, 2, 4), slice(3, 4));
  const second = parts.add(part(2, 2, 3), slice(9));
  expect([...new Uint8Array(first as ArrayBuffer)]).toEqual([1, 2, 3, 4]);
  expect([...new Uint8Array(second as ArrayBuffer)]).toEqual([7, 8, 9]);
});

test("messages that are never finished are forgotten, oldest first", () => {
  const parts = new Parts();
  for (let id = 0; id < 5; id += 1) parts.add(part(id, 0, 2), slice(id));
  expect(parts.add(part(0, 1, 2), slice(9))).toBeNull();
  expect(parts.add(part(1, 1, 2), slice(9))).not.toBeNull();
});

test("slices that do not continue their message, or too large ones, are refused", () => {
  const parts = new Parts();
  parts.add(part(1, 0, 9), slice(1, 2));
  expect(() => parts.add(part(1, 3, 9), slice(1))).toThrow(RangeError);
  expect(() => parts.add(part(1, 2, 9), new Uint8Array(20))).toThrow(RangeError);
  expect(() => parts.add(part(2, 0, 1e12), slice(1))).toThrow(RangeError);
});
