// Part of asrkit, Apache-2.0. Samples of the microphone as 16-bit blocks of about 20 ms.
class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 50));
    this.count = 0;
  }

  process(inputs) {
    const samples = inputs[0][0];
    if (!samples) return true;
    for (let i = 0; i < samples.length; i++) {
      const value = Math.max(-1, Math.min(1, samples[i])) * 32768;
      this.block[this.count++] = Math.max(-32768, Math.min(32767, Math.round(value)));
      if (this.count === this.block.length) {
        this.port.postMessage(this.block.buffer, [this.block.buffer]);
        this.block = new Int16Array(Math.round(sampleRate / 50));
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("blocks", Blocks);
