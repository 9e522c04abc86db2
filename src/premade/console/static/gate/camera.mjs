// The camera, and what reads codes in its pictures: the browser itself where it can, else the decoder beside the page.

const PICTURE_SIDE_MAX = 800;
const PAUSE_MS = 60;

export class Camera {
  #video;
  #stream = null;
  #read = null;
  #canvas = new OffscreenCanvas(1, 1);

  constructor(video) {
    this.#video = video;
  }

  get isOn() {
    return this.#stream !== null;
  }

  /** Calls `found` with each code that it sees, as often as it sees it. Rejects where there is no camera to be had. */
  async start(found) {
    const wanted = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
    this.#stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#read ??= await reader();
    this.#watch(this.#stream, found);
  }

  stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#video.srcObject = null;
  }

  get hasLight() {
    return Boolean(this.#track?.getCapabilities?.().torch);
  }

  async light(isOn) {
    await this.#track.applyConstraints({ advanced: [{ torch: isOn }] });
  }

  get #track() {
    return this.#stream?.getVideoTracks()[0];
  }

  async #watch(stream, found) {
    while (this.#stream === stream) {
      if (!document.hidden && this.#video.videoWidth > 0) {
        const text = await this.#read(this.#video, this.#canvas);
        if (text && this.#stream === stream) await found(text);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

async function reader() {
  if ("BarcodeDetector" in globalThis) {
    const known = await BarcodeDetector.getSupportedFormats().catch(() => []);
    if (known.includes("qr_code")) {
      const detector = new BarcodeDetector({ formats: ["qr_code"] });
      return async (video) => (await detector.detect(video).catch(() => []))[0]?.rawValue;
    }
  }
  const decoder = new Worker(new URL("./decoder.mjs", import.meta.url), { type: "module" });
  return (video, canvas) => {
    const scale = Math.min(1, PICTURE_SIDE_MAX / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => {
      decoder.onmessage = (message) => resolve(message.data);
      decoder.postMessage({ data, width, height }, [data.buffer]);
    });
  };
}
