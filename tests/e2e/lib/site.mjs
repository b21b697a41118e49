// A web server of a test's own, for pages that are not the product's: stock clients from npm.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));

/**
 * @param {Record<string, string>} pages path to HTML
 * Serves also /socket.io-4.js and /socket.io-2.js: socket.io-client as npm has it.
 */
export async function startSite(pages) {
    const files = {
        '/socket.io-4.js': `${modules}/socket.io-client/dist/socket.io.js`,
        '/socket.io-2.js': `${modules}/socket.io-client-2/dist/socket.io.js`,
    };
    const server = createServer(async (request, response) => {
        const path = new URL(request.url, 'http://site').pathname;
        if (pages[path]) {
            response.setHeader('Content-Type', 'text/html; charset=utf-8');
            response.end(pages[path]);
        } else if (files[path]) {
            response.setHeader('Content-Type', 'text/javascript; charset=utf-8');
            response.end(await readFile(files[path]));
        } else {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://localhost:${server.address().port}`;
    return {
        url,
        stop: () =>
            new Promise((resolve) => {
                server.close(resolve);
                server.closeAllConnections?.();
            }),
    };
}
