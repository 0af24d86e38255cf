// Part of asrkit, Apache-2.0. Hands-free: sound goes to the server as it comes, words come back.

/** One stretch of being heard; `onWord`, `onWhy`, `onSpeaking`, `onNote` and `onEnd(why)` are called. */
export class Live {
  constructor(microphone, calls) {
    this.microphone = microphone;
    this.calls = calls;
    this.places = []; // [samples that were sent, when]
    this.count = 0;
  }

  async start() {
    await this.microphone.open();
    const { protocol, host } = window.location;
    this.socket = new WebSocket(`${protocol === "https:" ? "wss" : "ws"}://${host}/api/listen`);
    this.socket.onopen = () => this.socket.send(JSON.stringify({ rate: this.microphone.rate }));
    this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
    this.socket.onclose = (event) => this.end(event.reason || (event.code === 1000 ? "" : "the server ended it, or is not there"));
  }

  take(message) {
    const { calls } = this;
    if (message.type === "ready") {
      this.mute = this.microphone.listen((block) => this.send(block));
      calls.onReady();
    } else if (message.type === "word") calls.onWord(message, this.since(message.end));
    else if (message.type === "why") calls.onWhy(message);
    else if (message.type === "speaking") calls.onSpeaking(message.on);
    else if (message.type === "note") calls.onNote(message.text);
  }

  send(block) {
    this.calls.onBlock(block);
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(block.buffer);
    this.count += block.length;
    this.places.push([this.count / this.microphone.rate, performance.now()]);
    if (this.places.length > 1000) this.places.shift();
  }

  /** Milliseconds since the sound of a second of the stream came. */
  since(second) {
    const place = this.places.find(([end]) => end >= second);
    return place ? performance.now() - place[1] : 0;
  }

  stop() {
    if (this.socket) this.socket.close(1000);
    this.end("");
  }

  end(why) {
    if (this.ended) return;
    this.ended = true;
    if (this.mute) this.mute();
    this.calls.onEnd(why);
  }
}
