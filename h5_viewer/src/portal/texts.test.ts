import { expect, test } from "vitest";
import { day, examTitle, instant, kind, part } from "./texts";

test("days are read as people say them", () => {
  expect(day("2026-11-02")).toBe("2026年11月2日");
  expect(day(null)).toBe("日期未记录");
  expect(instant("2026-11-02T09:05:00+08:00")).toBe("2026年11月2日 09:05");
});

test("modalities are named once, unknown ones as they are", () => {
  expect(kind(["CT", "SR", "PR"])).toBe("CT");
  expect(kind(["CR", "DX"])).toBe("X 光");
  expect(kind(["PT", "CT"])).toBe("PET、CT");
  expect(kind(["ZZ"])).toBe("ZZ");
  expect(kind([])).toBe("影像");
});

test("an exam without a description is named by part and kind", () => {
  expect(examTitle(["CT"], "", "CHEST")).toBe("胸部 CT 检查");
  expect(examTitle(["US"], "", "ABDOMEN")).toBe("腹部超声检查");
  expect(examTitle(["MR"], "头颅平扫", "HEAD")).toBe("头颅平扫");
  expect(examTitle(["CT"], "", "")).toBe("CT 检查");
  expect(part("左肩")).toBe("左肩");
});
