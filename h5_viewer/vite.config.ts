import { readdirSync, readFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const OUT = "../backend/static";

/** Entries: every `src/PAGE/boot.ts` (arrives first) and `src/PAGE/main.ts` (the rest of the page). */
const entries = readdirSync("src")
  .flatMap((page) => ["boot", "main"].map((name) => `src/${page}/${name}.ts`))
  .filter((path) => existsSync(path));

/** The viewer's boot is inlined as a classic script, so that it runs while the page still arrives: wrap it, and refuse imports. */
function inlineable(): Plugin {
  return {
    name: "inlineable",
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk" || !chunk.facadeModuleId?.includes("/src/viewer/")) continue;
        if (chunk.imports.length > 0)
          this.error(`${chunk.name} would import ${chunk.imports}: entries that are inlined stand alone`);
        if (chunk.facadeModuleId.endsWith("boot.ts")) chunk.code = `(()=>{${chunk.code.trim()}})();\n`;
      }
    },
  };
}

/** Writes `.br` and `.gz` beside each text asset, so that the server compresses nothing per request. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    writeBundle(options, bundle) {
      for (const name of Object.keys(bundle).filter((n) => /\.(js|css|svg|html)$/.test(n))) {
        const path = join(options.dir ?? OUT, name);
        const bytes = readFileSync(path);
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "/static/",
  publicDir: false,
  plugins: [inlineable(), precompressed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    manifest: true,
    modulePreload: false,
    target: ["chrome80", "safari14"],
    assetsInlineLimit: 0,
    rollupOptions: { input: entries },
  },
});
