/**
 * Builds the page into a folder: node build.mjs OUTDIR
 *
 *     OUTDIR/index.html               names the rest
 *     OUTDIR/assets/NAME-HASH.EXT     never changes under its name: may be cached for ever
 *     OUTDIR/meetopia-client.js       the client library alone, as an ES module
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import * as esbuild from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, 'dist'));

const common = {
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    legalComments: 'none',
    logLevel: 'warning',
    target: ['chrome100', 'firefox115', 'safari15.4'],
    /* socket.io-client's log: nothing of it is wanted in a page */
    define: { 'process.env.NODE_ENV': '"production"' },
};

async function bundle(entry) {
    const built = await esbuild.build({ ...common, entryPoints: [entry], format: 'esm' });
    return built.outputFiles[0].contents;
}

async function writeAsset(name, contents) {
    const hash = createHash('sha256').update(contents).digest('hex').slice(0, 10);
    const dot = name.lastIndexOf('.');
    const path = `assets/${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
    await writeFile(join(out, path), contents);
    return path;
}

await rm(join(out, 'assets'), { recursive: true, force: true });
await mkdir(join(out, 'assets'), { recursive: true });

let html = await readFile(join(here, 'index.html'), 'utf8');
for (const [name, contents] of [
    ['app.js', await bundle('app.js')],
    ['style.css', await bundle('style.css')],
    ['favicon.svg', await readFile(join(here, 'favicon.svg'))],
]) {
    const path = await writeAsset(name, contents);
    if (!html.includes(`"${name}"`)) throw new Error(`index.html does not name ${name}`);
    html = html.replace(`"${name}"`, `"${path}"`);
}
await writeFile(join(out, 'meetopia-client.js'), await bundle('client/index.js'));
await writeFile(join(out, 'index.html'), html);
