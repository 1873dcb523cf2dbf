// The microphone, opened for as long as somebody talks.

const WANTED = 16000;
const HIGHEST = 48000;

export class Microphone {
  /** Asks for the microphone; `take` is given each block (Int16Array). Throws an Error that says what is in the way. */
  static async open(take) {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give the microphone only to pages of this computer or over https: start the service with a certificate.");
    }
    let sound;
    try {
      sound = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true },
      });
    } catch (error) {
      throw new Error(explained(error));
    }
    try {
      const [context, source] = connected(sound);
      await context.audioWorklet.addModule("/page/recorder.js");
      const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
      const microphone = new Microphone(sound, context, node);
      node.port.onmessage = ({ data }) => (data ? take(data) : microphone.flushed());
      source.connect(node);
      await context.resume();
      return microphone;
    } catch (error) {
      for (const track of sound.getTracks()) track.stop();
      throw error;
    }
  }

  constructor(sound, context, node) {
    this.sound = sound;
    this.context = context;
    this.node = node;
    this.rate = context.sampleRate;
    this.flushed = () => {};
  }

  /** Calls `then` where the device is unplugged, or taken away in the browser. */
  onlost(then) {
    for (const track of this.sound.getTracks()) track.onended = then;
  }

  /** Gives the last block, and closes the microphone. */
  async close() {
    const last = new Promise((resolve) => { this.flushed = resolve; });
    this.node.port.postMessage("end");
    await Promise.race([last, new Promise((resolve) => setTimeout(resolve, 500))]);
    for (const track of this.sound.getTracks()) track.stop();
    await this.context.close();
  }
}

function connected(sound) {
  for (const options of [{ sampleRate: WANTED }, {}, { sampleRate: HIGHEST }]) {
    let context;
    try {
      context = new AudioContext(options);
      const source = context.createMediaStreamSource(sound);  // some browsers do not resample here
      if (context.sampleRate <= HIGHEST) return [context, source];
    } catch (error) {
      if (options.sampleRate === HIGHEST) throw error;
    }
    context?.close();
  }
  throw new Error("The microphone's sampling rate is too high for this page.");
}

function explained(error) {
  if (error.name === "NotAllowedError") return "The browser does not let this page hear the microphone: allow it beside the address.";
  if (error.name === "NotFoundError") return "No microphone is there: plug one in, or give a recording instead.";
  return `The microphone cannot be opened (${error.message}).`;
}
