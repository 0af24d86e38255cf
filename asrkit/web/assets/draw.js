// Part of asrkit, Apache-2.0. The picture of one recording: waveform, spectrogram, two paths, and how the lead grows.

const ROWS = { wave: 64, spectrogram: 128, path: 36, lead: 84, symbols: 40, axis: 20 };
const GAP = 6, LABEL = 17;
const LIGHT = [[255, 255, 255], [158, 193, 219], [47, 94, 140], [10, 20, 45]];
const DARK = [[17, 22, 27], [52, 62, 120], [190, 85, 105], [255, 226, 150]];

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** In words, what the picture shows. */
export function describe(heard) {
  const ends = `Heard from ${heard.start_s.toFixed(2)} to ${heard.end_s.toFixed(2)} of ${heard.duration_s.toFixed(2)} s.`;
  const found = heard.contrast;
  if (!found) return ends;
  const [first, last] = found.decided;
  const time = (frame) => (heard.start_s + frame * heard.frame_shift_s).toFixed(2);
  if (last <= first) return `${ends} “${found.winner.word}” and “${found.other.word}” are alike everywhere.`;
  const states = (path) => {
    const [from, to] = [path.states[first] + 1, path.states[last - 1] + 1];
    return `${from === to ? `state ${from}` : `states ${from} to ${to}`} of ${path.num_states}`;
  };
  return `${ends} “${found.winner.word}” leads “${found.other.word}” by ${found.total.toFixed(1)} nats. ` +
    `What decided it lies between ${time(first)} and ${time(last)} s and gave ${found.decided_by.toFixed(1)}: there “${found.winner.word}” is in ` +
    `${states(found.winner)} and “${found.other.word}” in ${states(found.other)}.`;
}

/** Draw it as wide as the canvas is. `at` (seconds) is where it plays, or null. */
export function draw(canvas, heard, at = null) {
  const rows = ["wave", "spectrogram"];
  if (heard.contrast) rows.push("best", "other", "lead");
  if (heard.symbols) heard.symbols.forEach((_, stream) => rows.push(`symbols ${stream}`));
  const heightOf = (row) => ROWS[row] || (!row.startsWith("symbols") ? ROWS.path : row === "symbols 0" ? ROWS.symbols : ROWS.symbols - LABEL);
  const width = Math.max(200, canvas.clientWidth), height = rows.reduce((sum, row) => sum + heightOf(row) + GAP, ROWS.axis);
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = "12px system-ui, sans-serif";
  const x = (second) => (second / heard.duration_s) * width;
  const frame = (t) => x(heard.start_s + t * heard.frame_shift_s);
  let top = 0;
  for (const row of rows) {
    const place = { pen, heard, x, frame, top, width, height: heightOf(row) };
    if (row === "wave") wave(place);
    else if (row === "spectrogram") spectrogram(place);
    else if (row === "best") path(place, heard.contrast.winner, colour("best"));
    else if (row === "other") path(place, heard.contrast.other, colour("other"));
    else if (row === "lead") lead(place);
    else symbols(place, heard.symbols[Number(row.split(" ")[1])]);
    top += heightOf(row) + GAP;
  }
  if (heard.contrast) {
    const [first, last] = heard.contrast.decided;
    pen.strokeStyle = colour("bad");
    pen.setLineDash([4, 3]);
    for (const t of [first, last]) line(pen, frame(t), 0, frame(t), top - GAP);
    pen.setLineDash([]);
  }
  axis(pen, x, heard.duration_s, top, width);
  if (at !== null) {
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 2;
    line(pen, x(at), 0, x(at), top);
  }
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

function label({ pen, top, width }, text, ink = colour("ink")) {
  const wide = Math.min(width, pen.measureText(text).width + 8);
  pen.fillStyle = colour("card");
  pen.globalAlpha = 0.85;
  pen.fillRect(0, top, wide, 16);
  pen.globalAlpha = 1;
  pen.fillStyle = ink;
  pen.textAlign = "left";
  pen.fillText(text, 4, top + 12, width);
}

function shade({ pen, heard, x, top, height }) {
  pen.fillStyle = colour("shade");
  pen.fillRect(x(heard.start_s), top, x(heard.end_s) - x(heard.start_s), height);
}

function wave(place) {
  const { pen, heard, top, width, height } = place;
  shade(place);
  const { columns, extremes } = heard.waveform, ends = new Int8Array(bytes(extremes).buffer);
  const peak = Math.max(8, ...ends.map(Math.abs)), middle = top + height / 2;
  pen.fillStyle = colour("best");
  for (let i = 0; i < columns; i++) {
    const low = (ends[2 * i] / peak) * (height / 2), high = (ends[2 * i + 1] / peak) * (height / 2);
    pen.fillRect((i * width) / columns, middle - high, Math.max(1, width / columns), Math.max(1, high - low));
  }
  pen.strokeStyle = colour("ink");
  for (const second of [heard.start_s, heard.end_s]) line(pen, place.x(second), top, place.x(second), top + height);
}

function spectrogram(place) {
  const { pen, heard, top, height, x } = place, { bands, columns, hop_s, levels } = heard.spectrogram;
  const stops = dark() ? DARK : LIGHT, values = bytes(levels);
  const image = new ImageData(columns, bands);
  for (let band = 0; band < bands; band++) {
    for (let column = 0; column < columns; column++) {
      const level = (values[band * columns + column] / 255) * (stops.length - 1);
      const stop = Math.min(stops.length - 2, Math.floor(level)), part = level - stop;
      const to = 4 * ((bands - 1 - band) * columns + column);
      for (let c = 0; c < 3; c++) image.data[to + c] = stops[stop][c] * (1 - part) + stops[stop + 1][c] * part;
      image.data[to + 3] = 255;
    }
  }
  const sheet = new OffscreenCanvas(columns, bands);
  sheet.getContext("2d").putImageData(image, 0, 0);
  pen.drawImage(sheet, 0, top, x(columns * hop_s), height);
  pen.strokeStyle = colour("ink");
  for (const second of [heard.start_s, heard.end_s]) line(pen, x(second), top, x(second), top + height);
}

/** Where equal neighbours begin and end: [value, first, behind the last]. */
function runs(values) {
  const found = [];
  values.forEach((value, t) => {
    if (found.length && found[found.length - 1][0] === value) found[found.length - 1][2] = t + 1;
    else found.push([value, t, t + 1]);
  });
  return found;
}

function path(place, own, ink) {
  const { pen, frame, top, height } = place;
  pen.textAlign = "center";
  for (const [state, first, last] of runs(own.states)) {
    const left = frame(first), wide = frame(last) - left;
    pen.globalAlpha = state % 2 ? 0.18 : 0.38;
    pen.fillStyle = ink;
    pen.fillRect(left, top + LABEL, wide, height - LABEL);
    pen.globalAlpha = 1;
    pen.fillStyle = colour("ink");
    if (wide > 15) pen.fillText(state + 1, left + wide / 2, top + height - 4);
  }
  label(place, `states of “${own.word}”`, ink);
}

function lead(place) {
  const { pen, heard, frame, top, width, height } = place, { difference, cumulated, winner, other } = heard.contrast;
  const low = Math.min(0, ...cumulated), high = Math.max(1e-6, ...cumulated), body = height - 18;
  const y = (value) => top + 18 + body * (1 - (value - low) / (high - low));
  const most = Math.max(1e-6, ...difference.map(Math.abs));
  difference.forEach((value, t) => {
    const size = (Math.abs(value) / most) * body * 0.5;
    pen.fillStyle = colour(value < 0 ? "other" : "best");
    pen.globalAlpha = 0.45;
    pen.fillRect(frame(t), value < 0 ? y(0) : y(0) - size, Math.max(1, frame(t + 1) - frame(t) - 0.5), Math.min(size, value < 0 ? top + height - y(0) : size));
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = colour("faint");
  line(pen, 0, y(0), width, y(0));
  pen.strokeStyle = colour("ink");
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(frame(0), y(0));
  cumulated.forEach((value, t) => pen.lineTo(frame(t + 1), y(value)));
  pen.stroke();
  pen.lineWidth = 1;
  label(place, `lead of “${winner.word}” over “${other.word}”: frame by frame, and summed`);
}

function symbols(place, stream) {
  const { pen, heard, frame } = place, named = stream === heard.symbols[0] ? LABEL : 0;
  const top = place.top + named, height = place.height - named;
  pen.textAlign = "center";
  if (named) label(place, "symbols of the codebook");
  let right = -Infinity;
  for (const [symbol, first, last] of runs(stream)) {
    pen.fillStyle = `hsl(${(symbol * 137.5) % 360} 60% ${dark() ? 30 : 80}%)`;
    pen.fillRect(frame(first), top, frame(last) - frame(first), height);
    const middle = (frame(first) + frame(last)) / 2, half = pen.measureText(symbol).width / 2;
    if (middle - half > right) {
      pen.fillStyle = colour("ink");
      pen.fillText(symbol, middle, top + height - 7);
      right = middle + half + 2;
    }
  }
  }

function axis(pen, x, duration, top, width) {
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((one) => x(one) > 45) || 10;
  pen.fillStyle = colour("faint");
  pen.textAlign = "center";
  for (let second = step; second < duration; second += step) {
    if (x(second) > width - 30) break;
    pen.fillRect(x(second), top - 3, 1, 4);
    pen.fillText(second.toFixed(step < 0.1 ? 2 : 1), x(second), top + 14);
  }
  pen.textAlign = "right";
  pen.fillText("s", width - 4, top + 14);
}
