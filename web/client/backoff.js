/**
 * How long to wait before the next try: doubling from `first` to `most`, of which a random part
 * of up to `jitter` is taken off, so that the clients of a server that comes back do not all
 * come at the same instant.
 */
export class Backoff {
    #attempt = 0;

    /**
     * @param {object} [options]
     * @param {number} [options.first] milliseconds
     * @param {number} [options.most] milliseconds
     * @param {number} [options.jitter] 0..1
     * @param {() => number} [options.random] 0..1
     */
    constructor({ first = 500, most = 15000, jitter = 0.5, random = Math.random } = {}) {
        this.first = first;
        this.most = most;
        this.jitter = jitter;
        this.random = random;
    }

    /** Tries since the last success. */
    get attempt() {
        return this.#attempt;
    }

    /** @returns {number} milliseconds until the next try, which counts from now on */
    next() {
        const whole = Math.min(this.most, this.first * 2 ** Math.min(this.#attempt, 30));
        this.#attempt++;
        return Math.round(whole * (1 - this.jitter * this.random()));
    }

    /** It worked: the next failure starts from the beginning. */
    reset() {
        this.#attempt = 0;
    }
}
