// Time as a variable: setTimeout and clearTimeout of the code under test.
const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
};

export class Clock {
    now = 0;
    #timers = new Map();
    #next = 1;
    #native = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

    install() {
        globalThis.setTimeout = (then, milliseconds = 0) => {
            this.#timers.set(this.#next, { at: this.now + milliseconds, then });
            return this.#next++;
        };
        globalThis.clearTimeout = (id) => this.#timers.delete(id);
    }

    uninstall() {
        Object.assign(globalThis, this.#native);
    }

    /** Lets promises run, without time. */
    settle = settle;

    /** Lets time pass: timers fire in order, and promises run between them. */
    async pass(milliseconds) {
        const end = this.now + milliseconds;
        for (;;) {
            const due = [...this.#timers].filter(([, timer]) => timer.at <= end);
            if (due.length === 0) break;
            const [id, timer] = due.reduce((a, b) => (b[1].at < a[1].at ? b : a));
            this.#timers.delete(id);
            this.now = timer.at;
            timer.then();
            await settle();
        }
        this.now = end;
        await settle();
    }
}
