// Part of asrkit, Apache-2.0. The microphone, and WAV files of what it heard.

const IDLE_MS = 60000; // after that long unused the microphone is closed
const BEFORE_S = 0.25; // of sound before a press that belongs to it: words begin early
const AFTER_MS = 80;

/** One microphone for all of the page: blocks of 16-bit samples to whoever listens. */
export class Microphone {
  constructor() {
    this.listeners = new Set();
    this.last = []; // blocks of the last moments
    this.opening = null;
    this.idle = 0;
  }

  /** Open it, if it is not; throws an Error that says what to do. */
  async open() {
    clearTimeout(this.idle);
    if (!this.opening) this.opening = this.start().catch((error) => { this.opening = null; throw error; });
    await this.opening;
  }

  async start() {
    if (!navigator.mediaDevices || !window.AudioWorkletNode) {
      throw new Error("this browser gives a page its microphone only over https, or on the machine itself: drop a recording instead");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      const why = { NotAllowedError: "it was not allowed", NotFoundError: "there is none", NotReadableError: "another program has it" };
      throw new Error(`no microphone: ${why[error.name] || error.message}`);
    }
    this.context = new AudioContext({ latencyHint: "interactive" });
    await this.context.audioWorklet.addModule("/assets/worklet.js");
    const node = new AudioWorkletNode(this.context, "blocks", { numberOfInputs: 1, numberOfOutputs: 0 });
    this.context.createMediaStreamSource(this.stream).connect(node);
    this.rate = this.context.sampleRate;
    const first = new Promise((resolve) => { this.began = resolve; });
    node.port.onmessage = (event) => this.hear(new Int16Array(event.data));
    await this.context.resume();
    await first;
  }

  hear(block) {
    this.began();
    this.last.push(block);
    while (this.last.length > 50 * BEFORE_S) this.last.shift();
    for (const listener of this.listeners) listener(block);
  }

  /** Call `listener` with each block from now on; gives what ends that. */
  listen(listener) {
    clearTimeout(this.idle);
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
      if (!this.listeners.size) this.idle = setTimeout(() => this.close(), IDLE_MS);
    };
  }

  close() {
    if (this.listeners.size || !this.opening) return;
    this.opening = null;
    this.last = [];
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }
}

/** Record from now on; `stop()` of what it gives resolves to a WAV (Blob). */
export async function record(microphone, onBlock, mostSeconds, onFull) {
  const wasOpen = microphone.opening !== null;
  await microphone.open();
  const blocks = wasOpen ? [...microphone.last] : [];
  let count = blocks.reduce((sum, block) => sum + block.length, 0);
  const end = microphone.listen((block) => {
    blocks.push(block);
    count += block.length;
    onBlock(block);
    if (count > (mostSeconds - 1) * microphone.rate) onFull();
  });
  return {
    async stop() {
      await new Promise((resolve) => setTimeout(resolve, AFTER_MS));
      end();
      return wav(blocks, microphone.rate);
    },
  };
}

/** The loudest sample of a block, in 0 to 1, as a meter shows it. */
export function loudness(block) {
  let peak = 1;
  for (const value of block) peak = Math.max(peak, Math.abs(value));
  return Math.max(0, 1 + (20 * Math.log10(peak / 32768)) / 60);
}

/** A WAV of 16-bit blocks. */
export function wav(blocks, rate) {
  const bytes = 2 * blocks.reduce((sum, block) => sum + block.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const text = (place, letters) => [...letters].forEach((letter, i) => head.setUint8(place + i, letter.charCodeAt(0)));
  text(0, "RIFF"); head.setUint32(4, 36 + bytes, true); text(8, "WAVEfmt ");
  head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  text(36, "data"); head.setUint32(40, bytes, true);
  return new Blob([head, ...blocks], { type: "audio/wav" });
}

/** What the server can't read, decoded by the browser: a WAV. */
export async function decoded(blob) {
  const context = new AudioContext();
  try {
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const samples = Int16Array.from(sound.getChannelData(0), (value) => Math.max(-32768, Math.min(32767, Math.round(value * 32768))));
    return wav([samples], sound.sampleRate);
  } finally {
    context.close();
  }
}

/** Make a button record while it is held, or from one press to the next; `done(wav)` gets each recording. */
export function holdable(button, { microphone, begin, done, fail, onBlock, mostSeconds }) {
  let recording = null, pressedAt = 0, wanted = false;
  const start = async () => {
    if (recording) return;
    wanted = true;
    button.setAttribute("aria-pressed", "true");
    recording = record(microphone, onBlock, mostSeconds(), stop);
    try {
      await recording;
      if (wanted) begin();
    } catch (error) {
      recording = null;
      button.setAttribute("aria-pressed", "false");
      fail(error);
    }
  };
  const stop = async () => {
    if (!recording || !wanted) return;
    wanted = false;
    button.setAttribute("aria-pressed", "false");
    try {
      const sound = await (await recording).stop();
      recording = null;
      done(sound);
    } catch {
      recording = null; // it never began, and start has said so
    }
  };
  // A short press leaves it on until the next one, as a screen reader's click does.
  const press = () => {
    if (recording && wanted) { pressedAt = 0; stop(); } else { pressedAt = performance.now(); start(); }
  };
  const release = () => { if (pressedAt && performance.now() - pressedAt > 350) stop(); };
  button.addEventListener("pointerdown", (event) => { if (event.button === 0) { button.setPointerCapture(event.pointerId); press(); } });
  button.addEventListener("pointerup", release);
  button.addEventListener("pointercancel", release);
  button.addEventListener("click", (event) => { if (event.detail === 0 && !event.fromKey) press(); });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  const isKey = (event) => event.key === " " || event.key === "Enter";
  button.addEventListener("keydown", (event) => { if (isKey(event)) { event.preventDefault(); if (!event.repeat) press(); } });
  button.addEventListener("keyup", (event) => { if (isKey(event)) { event.preventDefault(); release(); } });
  return { press, release };
}
