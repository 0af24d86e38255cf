// Draws what `Explained.to_json` of asrkit/workflows/explain.py says of one recording. Nothing is computed here but places.
"use strict";

const Draw = (() => {
  const GUTTER = 74, RIGHT = 8;

  function bytes(base64) {
    const text = atob(base64), out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  function colours(node) {
    const style = getComputedStyle(node), names = ["paper", "ink", "soft", "line", "right", "wrong", "mark", "mark-fill", "band"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  }

  // Levels 0 to 255 on a scale from dark to light whose brightness rises evenly.
  const SCALE = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
  const TABLE = Array.from({ length: 256 }, (_, level) => {
    const place = (level / 255) * (SCALE.length - 1), low = Math.min(Math.floor(place), SCALE.length - 2), part = place - low;
    return SCALE[low].map((value, k) => Math.round(value + part * (SCALE[low + 1][k] - value)));
  });

  function spectrogram(context, picture, x, y, width, height) {
    const levels = bytes(picture.levels), small = document.createElement("canvas");
    small.width = picture.columns;
    small.height = picture.bands;
    const inside = small.getContext("2d"), image = inside.createImageData(picture.columns, picture.bands);
    for (let band = 0; band < picture.bands; band++) {
      for (let column = 0; column < picture.columns; column++) {
        const at = 4 * ((picture.bands - 1 - band) * picture.columns + column);
        const colour = TABLE[levels[band * picture.columns + column]];
        image.data[at] = colour[0];
        image.data[at + 1] = colour[1];
        image.data[at + 2] = colour[2];
        image.data[at + 3] = 255;
      }
    }
    inside.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, x, y, width, height);
  }

  function segments(states) {
    const out = [];
    states.forEach((state, t) => {
      if (t === 0 || state !== states[t - 1]) out.push({ state, start: t, end: t + 1 });
      else out[out.length - 1].end = t + 1;
    });
    return out;
  }

  // Where each row of a picture stands: only those that there is something for.
  function layout(one) {
    const rows = [], paths = one.error ? ["other", "winner"] : ["winner", "other"], add = (name, height) => rows.push({ name, height, top: 0 });
    if (one.waveform) add("waveform", 52);
    if (one.spectrogram) add("spectrogram", 132);
    if (one.contrast) {
      for (const path of paths) add(path, 34);
    }
    if (one.symbols) one.symbols.forEach((_, k) => add("symbols" + k, 22));
    if (one.contrast) add("difference", 128);
    let top = 6;
    for (const row of rows) {
      row.top = top;
      top += row.height + 6;
    }
    return { rows, height: top + 18 };
  }

  function clipped(context, text, width) {
    if (context.measureText(text).width <= width) return text;
    while (text.length > 1 && context.measureText(text + "…").width > width) text = text.slice(0, -1);
    return text + "…";
  }

  // Draws `one` into a canvas, as wide as it stands, and gives what turns seconds into pixels.
  function draw(canvas, one) {
    const plan = layout(one), width = canvas.parentElement.clientWidth || 640, ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(plan.height * ratio);
    canvas.style.height = plan.height + "px";
    const context = canvas.getContext("2d"), ink = colours(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = ink.paper;
    context.fillRect(0, 0, width, plan.height);
    const inner = width - GUTTER - RIGHT, x = (seconds) => GUTTER + (inner * seconds) / one.duration_s;
    const frame = (t) => x(Math.min(one.start_s + t * one.frame_shift_s, one.duration_s));
    const bottom = plan.height - 20, contrast = one.contrast;
    // an error's winner is wrong, else it is right
    const [winning, losing] = one.error ? [ink.wrong, ink.right] : [ink.right, ink.wrong];

    for (const row of plan.rows) {
      const { name, top, height } = row, middle = top + height / 2;
      const label = (text, y, colour) => {
        context.fillStyle = colour || ink.soft;
        context.textAlign = "right";
        context.fillText(clipped(context, text, GUTTER - 10), GUTTER - 6, y);
      };
      if (name === "waveform") {
        label("sound", middle);
        const extremes = new Int8Array(bytes(one.waveform.extremes).buffer), count = one.waveform.columns;
        let most = 1;
        for (const value of extremes) most = Math.max(most, Math.abs(value));
        context.fillStyle = ink.ink;
        for (let k = 0; k < count; k++) {
          // from where the column before ends, so that a few samples make a line, too
          const before = k ? k - 1 : 0;
          const low = Math.min(extremes[2 * k], extremes[2 * before + 1]) / most, high = Math.max(extremes[2 * k + 1], extremes[2 * before]) / most;
          const above = middle - (high * height) / 2, below = middle - (low * height) / 2;
          context.fillRect(GUTTER + (inner * k) / count, above, Math.max(inner / count, 0.8), Math.max(below - above, 0.8));
        }
      } else if (name === "spectrogram") {
        spectrogram(context, one.spectrogram, GUTTER, top, inner, height);
        context.fillStyle = ink.soft;
        context.textAlign = "right";
        const centers = one.spectrogram.centers_hz;
        for (const hz of [250, 500, 1000, 2000, 4000, 8000]) {
          let band = centers.findIndex((center) => center >= hz);
          if (band < 0) continue;
          context.fillText(hz < 1000 ? hz + " Hz" : hz / 1000 + " kHz", GUTTER - 6, top + height - (height * (band + 0.5)) / centers.length);
        }
      } else if (name === "winner" || name === "other") {
        const path = contrast[name];
        label(path.word, middle - 6, name === "winner" ? winning : losing);
        label(one.error ? { winner: "was heard", other: "was said" }[name] : { winner: "best", other: "against" }[name], middle + 8);
        segments(path.states).forEach((part, k) => {
          const left = frame(part.start), right = frame(part.end);
          context.fillStyle = k % 2 ? ink.band : ink.paper;
          context.fillRect(left, top, right - left, height);
          context.strokeStyle = ink.line;
          context.strokeRect(left, top, right - left, height);
          context.fillStyle = ink.ink;
          context.textAlign = "center";
          if (right - left > 9) context.fillText(String(part.state + 1), (left + right) / 2, middle);
        });
      } else if (name.startsWith("symbols")) {
        const symbols = one.symbols[Number(name.slice(7))];
        label(one.symbols.length > 1 ? "symbols " + (Number(name.slice(7)) + 1) : "symbols", middle);
        segments(symbols).forEach((part) => {
          const left = frame(part.start), right = frame(part.end);
          context.fillStyle = "hsl(" + ((part.state * 47) % 360) + " 55% 50% / 0.35)";
          context.fillRect(left, top, right - left, height);
          context.fillStyle = ink.ink;
          context.textAlign = "center";
          if (right - left > 7 * String(part.state).length) context.fillText(String(part.state), (left + right) / 2, middle);
        });
      } else if (name === "difference") {
        // what decided, over the rows above, and behind the bars
        const from = Math.min(...plan.rows.filter((row) => row.name === "other" || row.name === "winner").map((row) => row.top)) - 3;
        context.fillStyle = ink["mark-fill"];
        context.fillRect(frame(contrast.decided[0]), from, frame(contrast.decided[1]) - frame(contrast.decided[0]), bottom - from);
        // Bars and line each have a scale of their own, and the same zero.
        const difference = contrast.difference, sums = contrast.cumulated, largest = (values) => Math.max(1e-9, ...values.map(Math.abs));
        const parts = difference.map((value) => value / largest(difference)), shares = sums.map((sum) => sum / largest(sums));
        const low = Math.min(-0.25, ...parts, ...shares), high = Math.max(0.25, ...parts, ...shares);
        const down = (share) => top + 14 + ((high - share) / (high - low)) * (height - 28), zero = down(0);
        parts.forEach((part, t) => {
          const left = frame(t), right = frame(t + 1);
          context.fillStyle = part > 0 ? winning : losing;
          context.fillRect(left, Math.min(zero, down(part)), Math.max(right - left - 0.5, 0.8), Math.abs(zero - down(part)));
        });
        context.fillStyle = ink.soft;
        context.fillRect(GUTTER, zero, inner, 0.8);
        context.strokeStyle = ink.ink;
        context.lineWidth = 1.4;
        context.beginPath();
        context.moveTo(frame(0), zero);
        shares.forEach((share, t) => context.lineTo(frame(t + 1), down(share)));
        context.stroke();
        context.lineWidth = 1;
        // how large is that? the largest bar, and the end of the line
        const tallest = parts.findIndex((part) => Math.abs(part) === 1), note = (value, x, y, align) => {
          const wide = context.measureText(value).width + 4;
          context.fillStyle = ink.paper;
          context.globalAlpha = 0.8;
          context.fillRect(align === "right" ? x - wide + 2 : x - wide / 2, y - 7, wide, 13);
          context.globalAlpha = 1;
          context.fillStyle = ink.ink;
          context.textAlign = align;
          context.fillText(value, x, y);
        };
        const beside = (share) => down(share) + (share < 0 ? 8 : -7), end = shares.length - 1;
        if (tallest >= 0) {
          const x = Math.max((frame(tallest) + frame(tallest + 1)) / 2, GUTTER + 14), y = beside(parts[tallest]);
          const taken = x > frame(end + 1) - 80 && Math.abs(y - beside(shares[end])) < 14; // by the sum
          note(difference[tallest].toFixed(1), x, taken ? zero + (parts[tallest] < 0 ? -8 : 9) : y, "center");
        }
        if (end >= 0) note("sum " + sums[end].toFixed(1), Math.min(frame(end + 1), width - RIGHT), beside(shares[end]), "right");
        label("for " + contrast.winner.word, top + 8);
        label("nats", middle);
        label("for " + contrast.other.word, top + height - 8);
      }
    }
    // the ends of the stretch that decided, across all rows, and the ends of what was heard
    if (contrast && contrast.decided[1] > contrast.decided[0]) {
      const left = frame(contrast.decided[0]), right = frame(contrast.decided[1]);
      context.strokeStyle = ink.mark;
      context.setLineDash([4, 3]);
      for (const place of [left, right]) {
        context.beginPath();
        context.moveTo(place, 4);
        context.lineTo(place, bottom);
        context.stroke();
      }
      context.setLineDash([]);
    }
    if (one.end_s !== undefined && (one.start_s > 0.02 || one.end_s < one.duration_s - 0.02)) {
      context.strokeStyle = ink.wrong;
      for (const place of [x(one.start_s), x(one.end_s)]) {
        context.beginPath();
        context.moveTo(place, 4);
        context.lineTo(place, bottom);
        context.stroke();
      }
    }
    context.fillStyle = ink.soft;
    context.textAlign = "center";
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900].find((own) => (inner * own) / one.duration_s > 46) || 3600;
    for (let seconds = 0; seconds <= one.duration_s + 1e-9; seconds += step) {
      const text = Number(seconds.toFixed(2)) + (seconds === 0 ? " s" : "");
      context.fillText(text, Math.min(x(seconds), width - 12), bottom + 10);
    }
    return x;
  }

  return { draw, segments, bytes };
})();
