// The camera, the worker that decodes its pictures, and the outline of the code that is taken.

import { hasTokenBegun } from "./reading.mjs";

const PICTURE_SIDE_MAX = 800;
const PAUSE_MS = 60;
const OUTLINE_MS = 500;

export class Camera {
  #video;
  #outline;
  #stream = null;
  #decoder = null;
  #canvas = new OffscreenCanvas(1, 1);
  #taken = "";
  #outlineEnds;

  /** `outline`: an SVG element with a polygon, as large as the video. */
  constructor(video, outline) {
    this.#video = video;
    this.#outline = outline;
  }

  get isOn() {
    return this.#stream !== null;
  }

  /** Call `found` with the code each time it is seen. Rejects if there is no camera. */
  async start(found) {
    const wanted = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
    this.#stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#decoder ??= await startDecoder();
    this.#watch(this.#stream, found);
  }

  stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#video.srcObject = null;
    this.#hideOutline();
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
        const { codes, width, height } = await this.#look();
        const code = chosen(codes, this.#taken, width, height);
        if (code && this.#stream === stream) {
          this.#taken = code.text;
          this.#showOutline(code.corners, width, height);
          await found(code.text);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #look() {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, PICTURE_SIDE_MAX / Math.max(videoWidth, videoHeight));
    const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.#video, 0, 0, width, height);
    return { codes: await this.#decoder(context.getImageData(0, 0, width, height)), width, height };
  }

  #showOutline(corners, width, height) {
    // Cut as the video is, so that the outline lies where the code is seen.
    this.#outline.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#outline.firstElementChild.setAttribute("points", corners.map(({ x, y }) => `${x},${y}`).join(" "));
    this.#outline.classList.add("shown");
    clearTimeout(this.#outlineEnds);
    this.#outlineEnds = setTimeout(() => this.#hideOutline(), OUTLINE_MS);
  }

  #hideOutline() {
    this.#outline.classList.remove("shown");
  }
}

/**
 * Of several codes in view: one of ours before any other, the one that was taken last before its neighbours, so that two
 * tickets side by side do not take turns, and else the one in the middle.
 */
function chosen(codes, taken, width, height) {
  const rank = ({ text, corners }) => {
    const x = corners.reduce((sum, corner) => sum + corner.x, 0) / corners.length - width / 2;
    const y = corners.reduce((sum, corner) => sum + corner.y, 0) / corners.length - height / 2;
    return [hasTokenBegun(text) ? 0 : 1, text === taken ? 0 : 1, Math.hypot(x, y)];
  };
  const ranked = codes.map((code) => ({ code, rank: rank(code) }));
  ranked.sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.rank[2] - b.rank[2]);
  return ranked[0]?.code;
}

/** Return the function that reads the codes of a picture. Rejects if the browser cannot. */
async function startDecoder() {
  const worker = new Worker(new URL("./decoder.mjs", import.meta.url), { type: "module" });
  await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.ready ? resolve() : reject(new Error(data.message)));
    worker.onerror = () => reject(new Error("no decoder"));
  });
  return (picture) =>
    new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data.found);
      worker.postMessage({ data: picture.data, width: picture.width, height: picture.height }, [picture.data.buffer]);
    });
}
