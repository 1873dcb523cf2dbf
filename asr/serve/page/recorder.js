// The worklet: sound of the microphone as blocks of 16-bit samples, a tenth of a second each.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.ended = false;
    this.port.onmessage = () => {
      this.ended = true;
      this.send();
      this.port.postMessage(null);
    };
  }

  send() {
    const samples = this.block.slice(0, this.filled);
    this.filled = 0;
    if (samples.length) this.port.postMessage(samples, [samples.buffer]);
  }

  process(inputs) {
    const [channels] = inputs;
    if (channels.length && !this.ended) {
      for (let at = 0; at < channels[0].length; at++) {
        let sum = 0;
        for (const channel of channels) sum += channel[at];
        const sample = Math.max(-1, Math.min(1, sum / channels.length));
        this.block[this.filled++] = Math.round(sample * (sample < 0 ? 32768 : 32767));
        if (this.filled === this.block.length) this.send();
      }
    }
    return !this.ended;
  }
}

registerProcessor("recorder", Recorder);
