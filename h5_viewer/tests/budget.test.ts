/** What the pages may weigh, and what must not be in them: read from the build itself (scripts/build_web.sh). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";

const STATIC = join(import.meta.dirname, "../../backend/static");
const KB = 1024;

interface Chunk {
  file: string;
  css?: string[];
  imports?: string[];
  dynamicImports?: string[];
}
const chunks = JSON.parse(readFileSync(join(STATIC, ".vite/manifest.json"), "utf8")) as Record<string, Chunk>;

function closure(entries: string[]): string[] {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const next of chunks[name]?.imports ?? []) visit(next);
  };
  for (const name of entries) visit(name);
  return [...new Set([...seen].flatMap((name) => [chunks[name]?.file ?? "", ...(chunks[name]?.css ?? [])]))];
}
const size = (files: string[], compress: (bytes: Buffer) => Buffer): number =>
  files.reduce((sum, file) => sum + compress(readFileSync(join(STATIC, file))).length, 0);

describe("budget", () => {
  const viewer = closure(["src/viewer/boot.ts", "src/viewer/main.ts"]);
  const pages = closure(Object.keys(chunks).filter((name) => /^src\/\w+\/(boot|main)\.ts$/.test(name)));

  test("the viewer's entries are built and stand alone", () => {
    for (const name of ["src/viewer/boot.ts", "src/viewer/main.ts"]) {
      expect(chunks[name]?.file).toMatch(/\.js$/);
      expect(chunks[name]?.imports ?? []).toEqual([]);
    }
  });

  test("code before the first image: 2 KB; the whole viewer: 30 KB brotli", () => {
    expect(size(closure(["src/viewer/boot.ts"]), brotliCompressSync)).toBeLessThanOrEqual(2 * KB);
    expect(size(viewer, brotliCompressSync)).toBeLessThanOrEqual(30 * KB);
  });

  test("everything that a patient's pages load statically: 60 KB gzip", () => {
    expect(size(pages, (bytes) => gzipSync(bytes))).toBeLessThanOrEqual(60 * KB);
  });

  test("no large library is in it", () => {
    const names = [...pages, ...Object.keys(chunks)].join(" ");
    const code = pages.map((file) => readFileSync(join(STATIC, file), "utf8")).join("\n");
    expect(names).not.toMatch(/vue|echarts|cornerstone/i);
    expect(code).not.toMatch(/__vue|createElementVNode|echarts|cornerstone/i);
  });
});
