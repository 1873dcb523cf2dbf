// What is asked of the service, with its token where it wants one.

const KEY = "asr-token";

export class Service {
  /** `ask` opens the question for the token, and resolves with what was typed. */
  constructor(ask) {
    this.ask = ask;
  }

  get token() {
    return sessionStorage.getItem(KEY);
  }

  /** The answer of a route as an object. Throws an Error with the service's own words. */
  async fetch(path, options = {}) {
    for (;;) {
      const headers = { ...options.headers };
      if (this.token) headers.Authorization = `Bearer ${this.token}`;
      let answer;
      try {
        answer = await fetch(path, { ...options, headers });
      } catch {
        throw new Error("The service does not answer. Is it still running?");
      }
      const found = await answer.json().catch(() => null);
      if (answer.ok) return found;
      if (answer.status !== 401) throw new Error(found?.error?.message ?? `The service answers ${answer.status}.`);
      const rejected = Boolean(this.token);
      sessionStorage.setItem(KEY, await this.ask(rejected ? "That is not its token." : ""));
    }
  }

  /** A stream of sound. `hear` is given each event; `end` is called once, with a message where something went wrong. */
  stream(start, hear, end) {
    return new Stream(this, start, hear, end);
  }

  /** The subprotocols of a socket: a page can send its token in no other way. */
  get protocols() {
    if (!this.token) return ["asr.v1"];
    const packed = btoa(String.fromCharCode(...new TextEncoder().encode(this.token)));
    return ["asr.v1", `asr.bearer.${packed.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`];
  }
}

const MOST_WAITING = 2 ** 21;  // bytes that the service has not taken: more than a minute

class Stream {
  constructor(service, start, hear, end) {
    this.waiting = [];
    this.ready = false;
    this.ended = false;
    let message = "";
    const url = new URL("/v1/stream", location);
    url.protocol = url.protocol.replace("http", "ws");
    this.socket = new WebSocket(url, service.protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.socket.send(JSON.stringify({ type: "start", encoding: "pcm_s16le", ...start }));
    this.socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "ready") {
        this.ready = true;
        for (const each of this.waiting.splice(0)) this.socket.send(each);
      } else if (event.type === "error") {
        message = event.message;
      } else {
        hear(event);
      }
    };
    this.socket.onclose = async ({ code }) => {
      if (!this.ready && !message) {
        // Of a socket that was refused a browser says nothing; an ordinary request is told why.
        await service.fetch("/v1/grammars").catch((error) => { message = error.message; });
        message ||= "Too many are talking to the service. Try again in a moment.";
      }
      if (!message && code === 1012) message = "The service was ended.";
      if (!message && code !== 1000) message = "The connection to the service was lost.";
      end(message);
    };
  }

  /** A block of sound (Int16Array), or a message (object). */
  send(data) {
    if (this.ended) return;
    const packed = ArrayBuffer.isView(data) ? data.buffer : JSON.stringify(data);
    if (!this.ready) this.waiting.push(packed);
    else if (this.socket.bufferedAmount > MOST_WAITING) this.socket.close();
    else this.socket.send(packed);
  }

  /** Says that nothing more comes; what is still being heard comes before the end. */
  finish() {
    this.send({ type: "end" });
    this.ended = true;
  }
}
