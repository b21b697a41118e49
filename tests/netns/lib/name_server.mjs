// A DNS server for one name, as small as can be (RFC 1035, 3596): browsers look names up in more ways
// than by /etc/hosts.
//
//     node name_server.mjs NAME ADDRESS...     on 127.0.0.1:53; prints "ready"
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

const [, , name, ...addresses] = process.argv;
const TYPES = { A: 1, AAAA: 28 };
const NAME_ERROR = 3;

const bytesOf = (address) => {
    if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
    const [head, tail = ''] = address.split('::').map((half) => half.split(':').filter(Boolean));
    const gap = Array(8 - head.length - tail.length).fill('0');
    return Buffer.from([...head, ...gap, ...tail].map((word) => word.padStart(4, '0')).join(''), 'hex');
};

/** The question's name and type, and where it ends. */
function readQuestion(message) {
    const labels = [];
    let at = 12;
    for (let n; (n = message[at]) > 0; at += n + 1)
        labels.push(message.toString('latin1', at + 1, at + 1 + n));
    return { asked: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

function answer(message) {
    const { asked, type, end } = readQuestion(message);
    const found = addresses.filter((one) => type === (isIPv6(one) ? TYPES.AAAA : TYPES.A));
    const records = (asked === name ? found : []).map((one) => {
        const data = bytesOf(one);
        /* The name is the question's, class IN, good for a minute. */
        const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]);
        return Buffer.concat([head, data]);
    });
    const header = Buffer.from(message.subarray(0, 12));
    header.writeUInt16BE(0x8180 | (asked === name ? 0 : NAME_ERROR), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    header.writeUInt32BE(0, 8);
    return Buffer.concat([header, message.subarray(12, end), ...records]);
}

const socket = createSocket('udp4');
socket.on('message', (message, from) => socket.send(answer(message), from.port, from.address));
socket.bind(53, '127.0.0.1', () => console.log('ready'));
