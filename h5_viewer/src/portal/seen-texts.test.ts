import { expect, test } from "vitest";
import { viewerOf } from "./seen-texts";

test("a doctor is named with the hospital, others without", () => {
  expect(viewerOf("医生", "沈阳市第一人民医院")).toBe("医生（沈阳市第一人民医院）");
  expect(viewerOf("本人", "")).toBe("本人");
});
