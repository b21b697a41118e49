// Finds out what a NAT does with plain datagrams (RFC 4787, sections 4.1 and 5), and which TCP
// connections get through.
//
//     node nat_probe.mjs server FIRST SECOND    UDP: two ports on FIRST, one on SECOND; TCP on FIRST
//     node nat_probe.mjs client FIRST SECOND    asks all of them, prints JSON
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const PORTS = [7001, 7002];
const TCP_PORTS = [443, 80];
const [, , role, first, second] = process.argv;

async function open(port, address) {
    const socket = createSocket('udp4');
    socket.bind(port, address);
    await once(socket, 'listening');
    return socket;
}

async function serve() {
    const places = [
        [PORTS[0], first],
        [PORTS[1], first],
        [PORTS[0], second],
    ];
    const sockets = await Promise.all(places.map(([port, address]) => open(port, address)));
    sockets.forEach((socket) =>
        socket.on('message', (question, from) => {
            /* The question is the number of the socket that shall answer. */
            const answer = JSON.stringify({ seen: `${from.address}:${from.port}` });
            sockets[Number(question)].send(answer, from.port, from.address);
        }),
    );
    for (const port of TCP_PORTS) {
        const server = createServer((socket) => {
            socket.on('error', () => {});
            socket.on('data', () => socket.write('heard'));
        });
        server.listen(port, first);
        await once(server, 'listening');
    }
    console.log('ready');
}

/** Does an answer come to these first bytes, within half a second? */
function passes(port, bytes) {
    return new Promise((resolve) => {
        const socket = connect(port, first, () => socket.write(bytes));
        const end = (answered) => {
            clearTimeout(late);
            socket.destroy();
            resolve(answered);
        };
        const late = setTimeout(() => end(false), 500);
        socket.on('data', () => end(true));
        socket.on('error', () => end(false));
    });
}

async function ask() {
    const socket = await open(0);
    const heard = [];
    socket.on('message', (data, from) =>
        heard.push({ from: `${from.address}:${from.port}`, ...JSON.parse(data) }),
    );
    const own = socket.address().port;
    /** Sends to a place and waits for what comes, 400 ms at most and as long as something is missing. */
    const exchange = async (port, address, by) => {
        const before = heard.length;
        for (let tries = 0; tries < 4 && heard.length === before; tries++) {
            socket.send(String(by), port, address);
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        return heard.slice(before);
    };

    /* Filtering first, while nothing has been sent to the other two. */
    const [direct] = await exchange(PORTS[0], first, 0);
    const fromPort = direct ? await exchange(PORTS[0], first, 1) : [];
    const fromAddress = direct ? await exchange(PORTS[0], first, 2) : [];
    const [otherPort] = await exchange(PORTS[1], first, 1);
    const [otherAddress] = await exchange(PORTS[0], second, 2);
    const mappings = new Set([direct, otherPort, otherAddress].map((one) => one?.seen));
    const tcp = await Promise.all([
        passes(443, Buffer.from([22, 3, 1, 0, 5])),
        passes(443, 'GET / HTTP/1.0'),
        passes(80, 'GET / HTTP/1.0'),
    ]);
    socket.close();
    console.log(
        JSON.stringify({
            udp: Boolean(direct),
            outside: direct?.seen.split(':')[0],
            sameMapping: mappings.size === 1,
            hears: [...(fromPort.length ? ['port'] : []), ...(fromAddress.length ? ['address'] : [])],
            tcp: { tls443: tcp[0], plain443: tcp[1], plain80: tcp[2] },
        }),
    );
}

await (role === 'server' ? serve() : ask());
